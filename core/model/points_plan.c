/* The plan: which registers to ask for, in which requests. */
#include "metergate/bytes.h"
#include "model/channel.h"
#include "model/points.h"

/* Modbus application protocol V1.1b3, 6.1 to 6.4 */
#define REGISTERS_MAX 125U
#define FC_COILS      1
#define FC_INPUTS     2
#define FC_INPUT_REGS 4

/* Above, a 32-bit register would not fit into 63 bits any more, and
 * mg_fixed_from_f32 ends here too. */
#define DECIMALS_MAX 9

static bool is_bits(unsigned function)
{
    return function == FC_COILS || function == FC_INPUTS;
}

/* @return registers or bits; 0: no such encoding */
static unsigned width_of(const struct mg_point *row)
{
    switch ((enum mg_encoding)row->encoding) {
    case MG_ENC_BIT:
    case MG_ENC_U16:
    case MG_ENC_S16:
    case MG_ENC_MAP:
    case MG_ENC_VERSION:
        return 1;
    case MG_ENC_U32:
    case MG_ENC_S32:
    case MG_ENC_F32:
    case MG_ENC_U24E8:
    case MG_ENC_S24E8:
    case MG_ENC_PF:
        return 2;
    case MG_ENC_CLOCK6:
        return 3;
    case MG_ENC_ASCII:
        return row->length;
    }
    return 0;
}

/* Bits of one request: as many bytes as that many registers have, which is
 * 2000 for the greatest number of registers. */
static unsigned most_of(const struct mg_driver *driver, unsigned function)
{
    return is_bits(function) ? driver->max_registers * 16U
                             : driver->max_registers;
}

static bool is_text(unsigned encoding)
{
    return encoding == MG_ENC_ASCII || encoding == MG_ENC_VERSION;
}

/* Whether this encoding can carry a channel of this unit. */
static bool fits_unit(const struct mg_point *row)
{
    enum mg_unit unit = mg_channel_unit(row->channel);
    unsigned decimals = mg_unit_decimals(unit);
    int shift = (int)decimals + row->exp10;
    if (is_text(row->encoding) != (unit == MG_UNIT_TEXT)) {
        return false;
    }
    switch ((enum mg_encoding)row->encoding) {
    case MG_ENC_BIT:
        return decimals == 0 && row->exp10 == 0;
    case MG_ENC_ASCII:
    case MG_ENC_VERSION:
        return row->exp10 == 0;
    case MG_ENC_CLOCK6:
        return unit == MG_UNIT_UNIX_S && row->exp10 == 0;
    case MG_ENC_PF:
        return unit == MG_UNIT_PF && row->exp10 == 0;
    case MG_ENC_MAP:
        return row->map != NULL && row->n_map > 0 && shift >= 0 &&
               shift <= DECIMALS_MAX;
    default:
        return shift >= 0 && shift <= DECIMALS_MAX;
    }
}

/* Registers from the exponent, where there is one, to the end of the value. */
static unsigned span_of(const struct mg_point *row)
{
    unsigned ahead =
        row->exponent_at == 0 ? 0U : (unsigned)row->address - row->exponent_at;
    return ahead + width_of(row);
}

/* An exponent's register lies before a single 32-bit value. */
static bool is_exponent_right(const struct mg_point *row)
{
    bool is_scalable =
        row->encoding == MG_ENC_U32 || row->encoding == MG_ENC_S32;
    return row->exponent_at == 0 || (is_scalable && row->n_periods == 0 &&
                                     row->exponent_at < row->address);
}

static bool is_row_right(const struct mg_driver *driver,
                         const struct mg_point *row)
{
    return row->function >= FC_COILS && row->function <= FC_INPUT_REGS &&
           row->group < MG_N_GROUPS && width_of(row) > 0 &&
           is_exponent_right(row) &&
           span_of(row) <= most_of(driver, row->function) &&
           is_bits(row->function) == (row->encoding == MG_ENC_BIT) &&
           fits_unit(row);
}

/* Append one row, its series unrolled. */
static int unroll(const struct mg_driver *driver, const struct mg_point *row,
                  struct mg_plan *plan)
{
    if (!is_row_right(driver, row)) {
        return MG_E_INVAL;
    }
    unsigned width = width_of(row);
    unsigned n = row->n_periods == 0 ? 1 : row->n_periods;
    for (unsigned i = 0; i < n; i++) {
        unsigned address = row->address + i * row->stride;
        mg_channel channel = row->channel + MG_CHANNEL(0, 0, 0, i);
        if (address + width > 0x10000 || !mg_channel_exists(channel)) {
            return MG_E_INVAL;
        }
        if (plan->n_points >= MG_PLAN_POINTS_MAX) {
            return MG_E_NOSPC;
        }
        plan->points[plan->n_points++] =
            (struct mg_plan_point){.row = row,
                                   .channel = channel,
                                   .address = (uint16_t)address,
                                   .width = (uint8_t)width};
    }
    return MG_OK;
}

static bool collide(const struct mg_plan_point *a,
                    const struct mg_plan_point *b)
{
    if (a->channel == b->channel) {
        return true;
    }
    return a->row->function == b->row->function &&
           a->address < b->address + b->width &&
           b->address < a->address + a->width;
}

/* The last point against all before it. */
static bool is_last_free(const struct mg_plan *plan, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (collide(&plan->points[i], &plan->points[n - 1])) {
            return false;
        }
    }
    return true;
}

/* The first register that the point needs. */
static uint16_t start_of(const struct mg_plan_point *p)
{
    return p->row->exponent_at != 0 ? p->row->exponent_at : p->address;
}

static uint32_t order_of(const struct mg_plan_point *p)
{
    return (uint32_t)p->row->group << 24 | (uint32_t)p->row->function << 16 |
           start_of(p);
}

/* Insertion: tables are written nearly in order, and nothing is allocated. */
static void sort(struct mg_plan *plan)
{
    for (size_t i = 1; i < plan->n_points; i++) {
        struct mg_plan_point p = plan->points[i];
        size_t at = i;
        for (; at > 0 && order_of(&plan->points[at - 1]) > order_of(&p); at--) {
            plan->points[at] = plan->points[at - 1];
        }
        plan->points[at] = p;
    }
}

/* Registers from the block's first to its end, the point included. */
static unsigned count_with(const struct mg_plan_block *block,
                           const struct mg_plan_point *p)
{
    unsigned with = (unsigned)p->address + p->width - block->address;
    return with > block->count ? with : block->count;
}

/* Whether the block can be extended to this point: each hole between points is
 * at most max_gap wide, and what another group reads counts as a hole. */
static bool can_join(const struct mg_driver *driver,
                     const struct mg_plan_block *block,
                     const struct mg_plan_point *p)
{
    return block->group == p->row->group &&
           block->function == p->row->function &&
           start_of(p) <= block->address + block->count + driver->max_gap &&
           count_with(block, p) <= most_of(driver, block->function);
}

/* Greedy from the lowest address gives the fewest blocks: whatever run of
 * points fits into one request, each shorter run of it fits too, so the k-th
 * block of any other division never reaches further than the k-th of this. */
static int merge(const struct mg_driver *driver, struct mg_plan *plan,
                 size_t *ret_row)
{
    struct mg_plan_block *block = NULL;
    for (size_t i = 0; i < plan->n_points; i++) {
        struct mg_plan_point *p = &plan->points[i];
        if (block == NULL || !can_join(driver, block, p)) {
            if (plan->n_blocks >= MG_PLAN_BLOCKS_MAX) {
                *ret_row = (size_t)(p->row - driver->points);
                return MG_E_NOSPC;
            }
            block = &plan->blocks[plan->n_blocks++];
            *block = (struct mg_plan_block){.function = p->row->function,
                                            .group = p->row->group,
                                            .address = start_of(p),
                                            .first_point = (uint16_t)i};
        }
        block->count = (uint16_t)count_with(block, p);
        block->n_points++;
        p->block = (uint8_t)(plan->n_blocks - 1);
    }
    return MG_OK;
}

static int collect(const struct mg_driver *driver, unsigned variant,
                   struct mg_plan *plan, size_t *ret_row)
{
    for (size_t i = 0; i < driver->n_points; i++) {
        const struct mg_point *row = &driver->points[i];
        if (row->variants != 0 && (row->variants >> variant & 1) == 0) {
            continue;
        }
        size_t n_before = plan->n_points;
        int rc = unroll(driver, row, plan);
        for (size_t n = n_before + 1; rc == MG_OK && n <= plan->n_points; n++) {
            rc = is_last_free(plan, n) ? MG_OK : MG_E_INVAL;
        }
        if (rc != MG_OK) {
            *ret_row = i;
            return rc;
        }
    }
    return MG_OK;
}

int mg_plan_build(const struct mg_driver *driver, unsigned variant,
                  struct mg_plan *ret_plan, size_t *ret_row)
{
    if (driver->max_registers == 0 || driver->max_registers > REGISTERS_MAX ||
        variant > 31) {
        *ret_row = 0;
        return MG_E_INVAL;
    }
    struct mg_plan plan = {0};
    int rc = collect(driver, variant, &plan, ret_row);
    if (rc != MG_OK) {
        return rc;
    }
    sort(&plan);
    rc = merge(driver, &plan, ret_row);
    if (rc != MG_OK) {
        return rc;
    }
    *ret_plan = plan;
    return MG_OK;
}

size_t mg_plan_request(const struct mg_plan_block *block,
                       uint8_t ret_pdu[MG_PDU_MAX])
{
    struct mg_wr w = mg_wr_init(ret_pdu, MG_PDU_MAX);
    mg_put_u8(&w, block->function);
    mg_put_be16(&w, block->address);
    mg_put_be16(&w, block->count);
    return w.len;
}
