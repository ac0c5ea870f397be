/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* ledger: who owns what; ledger PA: of one frame, and who else may use it. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

static void row_place(struct row *r, s2_ipa ipa)
{
    if (ipa.v == S2_IPA_NONE.v)
        row_no_address(r, "ipa", 12);
    else
        row_address(r, "ipa", 12, ipa.v);
}

static void row_entry(struct row *r, const struct s2_ledger_entry *e)
{
    static const char states[][11] = {"free", "hypervisor", "owned", "shared", "lent", "device", "coloured"};
    row_address(r, "start", 12, e->range.start.v);
    row_address(r, "end", 12, e->range.end.v);
    row_size(r, "size", 7, e->range.end.v - e->range.start.v);
    monitor_owner(r, "owner", e->owner);
    row_text(r, "state", 10, states[e->state]);
    monitor_rights(r, e->rights);
    if (e->share == 0)
        row_no_address(r, "share", 10);
    else
        row_address(r, "share", 10, e->share);
    row_place(r, e->ipa);
}

static void row_borrower(struct row *r, const struct s2_share_info *info, const struct s2_borrower *b)
{
    static const char kinds[][7] = {"share", "lend", "donate"};
    static const char states[][8] = {"offered", "taking", "held"};
    row_address(r, "share", 10, info->handle);
    row_text(r, "kind", 6, kinds[info->kind]);
    row_size(r, "size", 7, info->bytes);
    row_flag(r, "ending", 6, info->phase == S2_SHARE_ENDING);
    monitor_owner(r, "borrower", b->vm);
    row_text(r, "has", 7, states[b->state]);
    monitor_rights(r, b->rights);
    row_place(r, b->ipa);
}

static enum step next_borrower(struct session *s, uint64_t pa)
{
    struct s2_ledger_entry e;
    struct s2_share_info info;
    uint64_t i = s->at++;
    if (!s2_ledger_find(&host.ledger, S2_PA(pa), &e))
        return STEP_END;
    if (i == 0) {
        row_entry(&s->row, &e);
        return STEP_ROW;
    }
    if (e.share == 0 || !s2_share_info(&host.ledger, e.share, &info) || i > info.borrowers)
        return STEP_END;
    row_borrower(&s->row, &info, &info.borrower[i - 1]);
    return STEP_ROW;
}

static bool begin(struct session *s)
{
    struct s2_ledger_entry e;
    uint64_t pa;
    return s->words == 1 ||
           (monitor_wants_number(s, 1, &pa) && (s2_ledger_find(&host.ledger, S2_PA(pa), &e) ||
                                                monitor_refuse(s, "%x is nothing that the machine has", pa)));
}

static enum step next(struct session *s)
{
    struct s2_ledger_entry e;
    uint64_t pa;
    if (s->words == 2 && edit_number(s->word[1], &pa))
        return next_borrower(s, pa);
    if (!s2_ledger_next(&host.ledger, S2_PA(s->at), &e))
        return STEP_END;
    s->at = e.range.end.v;
    row_entry(&s->row, &e);
    return STEP_ROW;
}

const struct command command_ledger = {"ledger", "[PA]", "who owns what; of one frame, and who may use it", 0, 1,
                                       begin,    next};

#endif
