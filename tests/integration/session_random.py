#!/usr/bin/python3
"""Random session commands, right and wrong ones, against a model.

What each command must lead to is known beforehand: accepted or refused, the
record that comes of it with its letters and its number. After every command the
answer, the WM3M4C's own table at 47000 and its crypto registers must agree with
the model; at the end so must every row of the store and every message.

  session_random.py [--commands N] [--seed N] [--keep]
"""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import traceback

from charging import OPEN, Record, datasets
from session_faults import Depot

WORDS = ("session-begin", "session-intermediate", "session-tariff",
         "session-suspend", "session-resume", "session-fiscal", "session-hold",
         "session-exception", "session-end", "session-cancel", "session-last",
         "session-recover")
WEIGHTS = (8, 5, 2, 3, 3, 2, 2, 1, 3, 1, 1, 1)
USERS = ("04A2B3C4", "a|b", 'say "x"', "\\ back", "J\u00fcrgen \u20ac \U0001f50c",
         "/", "")
READINGS_MAX = 38  # of a record that the station signs


class Model:
    """What a meter and its sessions have come to."""

    def __init__(self, meter):
        self.is_signing = meter["is_signing"]
        self.end_format = meter["options"].get("end-format")
        self.running = None  # transaction
        self.letters = ""    # of the running session
        self.is_suspended = self.is_excepted = False
        self.ended = {}      # transaction -> its pagination
        self.last_t = self.last_f = 0
        self.n_tariff = self.n_intermediate = 0
        self.records = []    # (kind, pagination, letters, transaction, billable)

    def sign(self, kind, letters, transaction=None, is_billable=False):
        if kind == "fiscal":
            self.last_f += 1
            pagination = f"F{self.last_f}"
        else:
            self.last_t += 1
            pagination = f"T{self.last_t}"
        self.records.append((kind, pagination, letters, transaction or "",
                             is_billable))
        return pagination

    def apply(self, verb, transaction, reason):
        """(is accepted, pagination of the record that comes of it or None)"""
        if verb == "begin":
            return self.begin(transaction)
        if transaction and transaction != self.running and \
                transaction in self.ended:
            is_end = verb in ("end", "cancel", "last")
            return is_end, self.ended[transaction] if is_end else None
        if self.running is None:
            return self.while_idle(verb, transaction)
        if transaction and transaction != self.running:
            return False, None
        return self.while_running(verb, reason)

    def begin(self, transaction):
        if transaction == self.running:
            return True, None
        if self.running is not None or transaction in self.ended:
            return False, None
        self.running, self.letters = transaction, "B"
        self.is_suspended = self.is_excepted = False
        if not self.is_signing:
            return True, None
        self.n_tariff = self.n_intermediate = 0
        return True, self.sign("begin", "B", transaction)

    def while_idle(self, verb, transaction):
        if verb == "fiscal":
            return True, self.sign("fiscal", "-")
        if verb == "recover" or (verb == "cancel" and not transaction):
            return True, None
        if verb == "last" and self.is_signing and self.last_ended:
            return True, self.sign("reissue", self.last_ended)
        return False, None

    @property
    def last_ended(self):
        found = [r for r in self.records if r[0] == "transaction"]
        return found[-1][2] if found else None

    def while_running(self, verb, reason):
        if verb in ("end", "cancel"):
            return True, self.end("A" if verb == "cancel" else reason,
                                  verb == "cancel")
        if verb == "fiscal":
            return True, self.sign("fiscal", "-")
        if verb == "recover":
            return True, None
        if verb == "last":
            return False, None
        if (verb == "suspend" and self.is_suspended) or \
                (verb == "resume" and not self.is_suspended):
            return True, None
        return True, self.reading(verb)

    def reading(self, verb):
        letter = {"tariff": "T", "suspend": "S", "exception": "X"}.get(verb, "C")
        if verb in ("suspend", "resume"):
            self.is_suspended = verb == "suspend"
        self.is_excepted |= verb == "exception"
        self.n_tariff += letter == "T"
        self.n_intermediate += letter == "C"
        self.letters += letter
        if not self.is_signing:
            return None
        kind = "intermediate" if verb == "hold" else verb
        return self.sign(kind, letter, self.running)

    def end(self, reason, is_cancel):
        if self.is_signing:
            letters = "B" + ("r", "E", reason)[self.end_format]
        else:
            letters = self.letters + reason
        transaction, self.running = self.running, None
        self.ended[transaction] = self.sign(
            "transaction", letters, transaction,
            not is_cancel and not self.is_excepted)
        return self.ended[transaction]


class Player(threading.Thread):
    """Gives random commands to one meter and compares after each."""

    def __init__(self, depot, meter, n_commands):
        super().__init__()
        self.depot, self.meter, self.n_commands = depot, meter, n_commands
        self.rng = random.Random(f"{depot.seed}/random/{meter['id']}")
        self.model = Model(meter)
        self.n_transactions = 0
        self.users = {}
        self.n_refused = 0

    def run(self):
        try:
            for _ in range(self.n_commands):
                self.one()
            if self.model.running:
                self.give("end", self.model.running, "E", {})
        except Exception:
            self.depot.failed(f"{self.meter['id']}: {traceback.format_exc()}")

    def a_transaction(self, verb):
        m = self.model
        choices = [m.running] * 8 if m.running else []
        choices += self.rng.sample(sorted(m.ended), min(1, len(m.ended)))
        if verb == "begin" or not choices:
            self.n_transactions += 1
            choices += [f"{self.meter['id']}.{self.n_transactions}"] * 3
        if verb not in ("begin", "end"):
            choices += [""] * 2
        return self.rng.choice(choices)

    def one(self):
        verb = self.rng.choices(WORDS, WEIGHTS)[0].removeprefix("session-")
        if not self.meter["is_signing"] and \
                len(self.model.letters) >= READINGS_MAX and self.model.running:
            verb = "end"
        transaction = self.a_transaction(verb)
        reason = self.rng.choice("ELRAP")
        members = {"reason": reason} if verb == "end" else {}
        if verb == "begin":
            members = {"identification": self.rng.choice(USERS),
                       "assigned": True}
        if self.rng.random() < 0.08:
            self.give_wrong(verb, transaction, members)
        else:
            self.give(verb, transaction, reason, members)

    def give_wrong(self, verb, transaction, members):
        """Refused before anything is done."""
        wrong = [{"transaction": "a|b"}, {"transaction": "x" * 37},
                 {"energy": 5}, {"reason": "Q"}, {"assigned": "yes"},
                 {"identification": "\u0001"}, {"identification": "x" * 300}, {"identification_type": "CARD"},
                 {"identification_flags": "RFID_NO"}]
        bad = self.rng.choice(wrong)
        if verb != "begin" and next(iter(bad)).startswith("identification"):
            verb = "begin"
            transaction = "never"
        answer = self.ask(verb, {"transaction": transaction, **members, **bad})
        self.expect(answer["ok"] is False, verb, bad, answer)
        self.n_refused += 1
        self.compare_meter(verb)

    def ask(self, verb, members):
        answer = self.depot.watcher.ask(self.meter["id"], f"session-{verb}",
                                        members, 30)
        assert answer is not None, f"{verb}: no answer"
        return answer

    def give(self, verb, transaction, reason, members):
        is_done_before = (verb in ("end", "cancel", "last") and
                          transaction in self.model.ended)
        n_before = len(self.model.records)
        is_new = verb == "begin" and self.model.running is None
        is_ok, pagination = self.model.apply(verb, transaction, reason)
        if is_new and is_ok:
            self.users[transaction] = members["identification"]
        if transaction:
            members = dict(members, transaction=transaction)
        answer = self.ask(verb, members)
        self.expect(answer["ok"] is is_ok, verb, transaction, answer)
        self.n_refused += not is_ok
        if is_ok:
            self.expect(answer.get("pagination") == pagination, verb,
                        pagination, answer)
            self.expect(answer.get("repeated", False) is is_done_before or
                        pagination is None, verb, answer)
            is_running = self.model.running is not None and not is_done_before
            self.expect(answer["running"] is is_running, verb, answer)
        if len(self.model.records) > n_before:
            record = self.model.records[-1]
            self.expect((answer["kind"], answer["billable"]) ==
                        (record[0], record[4]), verb, record, answer)
        self.compare_meter(verb)

    def expect(self, condition, *what):
        if not condition:
            raise AssertionError(f"{what}, model: {vars(self.model)}")

    def compare_meter(self, verb):
        """The meter's own table; serial lines have one master, the gateway."""
        if not self.meter["is_signing"] or \
                not self.meter["bus"].startswith("tcp"):
            return
        m = self.model
        table = self.depot.read_table(self.meter)
        self.expect(table[0] == (m.running is not None), verb, table)
        self.expect(table[11] << 16 | table[12] == m.last_f, verb, table)
        self.expect(table[13] << 16 | table[14] == m.last_t, verb, table)
        if m.records:
            self.expect((table[9], table[10]) ==
                        (m.n_tariff, m.n_intermediate), verb, table)


def check_store(depot, players):
    rows = datasets(depot.database())
    for p in players:
        mine = sorted((r for r in rows if r["meter"] == p.meter["id"] and
                       r["state"] != OPEN), key=lambda r: r["arrival"] or 0)
        found = []
        for row in mine:
            record = Record(row["record"])
            user = p.users.get(row["transaction_id"])
            depot.expect(user is None or record.body["ID"] == user,
                         f"{row['id']}: ID {record.body['ID']}, not {user}")
            depot.expect(row["mark"] == "", f"{row['id']}: {row['mark']}")
            found.append((row["kind"], record.body["PG"], record.letters,
                          row["transaction_id"], bool(row["is_billable"])))
        if found != p.model.records:
            pairs = list(zip(found + [None] * len(p.model.records),
                             p.model.records))
            at = next((i for i, (a, b) in enumerate(pairs) if a != b),
                      len(found))
            depot.failed(f"{p.meter['id']}: record {at} of {len(found)} is "
                         f"{found[at:at + 2]}, the model has "
                         f"{p.model.records[at:at + 2]}")


def play(args, directory):
    depot = Depot(args.seed, directory, 6, 2)
    try:
        for m in depot.plan.meters:
            topic = f"m/{m['id']}/state"
            while not depot.watcher.latest.get(topic):
                depot.watcher.ask("none", "none", {}, 0.1)
        players = [Player(depot, m, args.commands) for m in depot.plan.meters]
        for p in players:
            p.start()
        for p in players:
            p.join()
        if not depot.failures:
            depot.settle()
            depot.stop_gateway(signal.SIGTERM)
            check_store(depot, players)
            depot.check_records(datasets(depot.database()))
            depot.check_privacy()
    except Exception:
        depot.failed(traceback.format_exc())
    finally:
        depot.close()
    n_records = sum(len(p.model.records) for p in players)
    print(f"session random: seed {args.seed}, {len(players)} meters, "
          f"{args.commands} commands each, {sum(p.n_refused for p in players)} "
          f"refused, {n_records} records: "
          f"{'FAILED' if depot.failures else 'ok'}")
    return depot.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=60)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("MG_SEED", "0")) or
                        random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--keep", action="store_true",
                        help="keep the directory")
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="metergate-random-")
    failures = play(args, directory)
    for text in failures:
        print(f"seed {args.seed}: {text}", file=sys.stderr)
    if args.keep or failures:
        print(f"kept: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
