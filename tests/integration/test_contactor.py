"""Sessions and the overload rule switch the meter's relays, in real time."""
import time
import unittest

from charging import Record
from station import BASE, Station


class Contactor(Station):
    """Sessions switch the relays, with a limit of the current."""

    config = BASE.replace("connector: 1,",
                          "connector: 1, current_limit: 16 A, contactor: true,")

    def wait_relay(self, is_closed):
        self.listener.forget()
        self.listener.wait("m/right/state",
                           lambda p: p.get("relay_closed") is is_closed)

    def test_a_meter_that_starts_does_not_give_energy_away(self):
        self.start_meters()
        self.start_gateway()
        self.begin_soon(transaction="1")
        self.assertTrue(self.end(transaction="1")["ok"])
        self.wait_relay(False)
        self.simulator.order("power right 3000")
        self.wait_relay(True)  # as meters start
        self.wait_relay(False)

    def test_a_kill_while_tripped_leaves_no_session_suspended(self):
        self.start_meters()
        gateway = self.start_gateway()
        self.begin_soon()
        self.simulator.order("load right 30000")
        self.wait_relay(False)
        self.listener.wait("m/right/session", lambda p: p["suspended"])
        gateway.process.kill()
        gateway.process.wait()
        self.simulator.order("load right 5000")
        self.start_gateway()
        self.listener.wait("m/right/session", lambda p: not p["suspended"])
        self.wait_relay(True)
        self.assertTrue(self.end()["ok"])

    def test_a_latched_overload_ends_the_session(self):
        self.start_meters()
        self.start_gateway()
        self.begin_soon()
        self.simulator.order("load right 30000")
        signed = self.listener.wait("m/right/signed", limit_s=90)
        self.assertEqual(Record(signed["ocmf"]).letters[-1], "A")
        self.simulator.order("load right 5000")
        self.simulator.order("reset right")
        self.wait_relay(True)
        self.wait_relay(False)
        self.assertFalse(self.begin(transaction="2")["ok"])

    def test_a_meter_that_lost_energy_ends_its_session(self):
        self.start_meters()
        self.start_gateway()
        self.begin_soon()
        self.simulator.order("load right 32000")
        time.sleep(3)
        self.simulator.order("load right 0")
        time.sleep(2)  # it has told of it
        self.simulator.order("reset right")
        self.listener.wait("m/right/event",
                           lambda p: p["event"] == "telegram-refused")
        ended = self.end()
        self.assertTrue(ended["ok"], ended)
        self.assertFalse(ended["billable"])
        self.begin_soon(transaction="2")
        self.assertTrue(self.end(transaction="2")["billable"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
