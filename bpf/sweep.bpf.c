/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Removes flows that the sweeper has judged to be over, unless a packet has come
 * since: between a look from user space and its deletion a client may have opened
 * a new connection on the old one's rows. Attached nowhere: the agent runs it by
 * BPF_PROG_TEST_RUN, whose packet is a struct sweep_request and its entries; it is
 * repeated for each of them.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "flow.h"

struct sweep_scratch {
	struct sweep_entry entry;
	struct flow_buffer buffer;
	struct tuple tuple;
	struct tuple after;
	struct tuple pair;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct sweep_scratch));
} sweep_scratch SEC(".maps") TAG("private");

static __always_inline bool sweep_is_as_seen(const struct flow *flow, const struct sweep_seen *seen)
{
	return flow->packets == seen->packets && flow->last_seen == seen->last_seen &&
	       flow->state == seen->state;
}

/* Marks both rows, if they are as they were seen. */
static __always_inline bool sweep_mark(struct sweep_scratch *s, struct flow *row, struct flow *pair)
{
	struct flow_lock *lock = flow_lock_of(row->flags & FLOW_REPLY ? &s->pair : &s->tuple);
	bool over;

	if (!lock)
		return false;
	bpf_spin_lock(&lock->lock);
	over = sweep_is_as_seen(row, &s->entry.row) &&
	       (!pair || sweep_is_as_seen(pair, &s->entry.pair));
	if (over) {
		row->state |= FLOW_LEAVING;
		if (pair)
			pair->state |= FLOW_LEAVING;
	}
	bpf_spin_unlock(&lock->lock);
	return over;
}

static __always_inline enum sweep_outcome sweep_flow(struct sweep_scratch *s, bool v6)
{
	struct flow *row, *pair;

	row = flow_find_with(&s->buffer, v6, &s->tuple);
	if (!row)
		return SWEEP_GONE;
	flow_translation(v6, row, s->tuple.proto, &s->after);
	tuple_reverse(&s->after, &s->pair);
	pair = flow_find_pair(&s->buffer, v6, &s->tuple, &s->pair, &s->after);
	if (!pair != !s->entry.has_pair || !sweep_mark(s, row, pair))
		return SWEEP_CHANGED;
	flow_remove(&s->buffer, v6, &s->tuple);
	if (pair)
		flow_remove(&s->buffer, v6, &s->pair);
	return SWEEP_REMOVED;
}

SEC("tc")
int sweep(struct __sk_buff *ctx)
{
	__u32 zero = 0, next, off;
	struct sweep_scratch *s = bpf_map_lookup_elem(&sweep_scratch, &zero);

	if (!s || bpf_skb_load_bytes(ctx, 0, &next, sizeof(next)))
		return TC_ACT_SHOT;
	off = sizeof(struct sweep_request) + next * sizeof(s->entry);
	if (bpf_skb_load_bytes(ctx, off, &s->entry, sizeof(s->entry)))
		return TC_ACT_SHOT;
	addr_copy(s->tuple.saddr, s->entry.saddr);
	addr_copy(s->tuple.daddr, s->entry.daddr);
	s->tuple.sport = s->entry.sport;
	s->tuple.dport = s->entry.dport;
	s->tuple.proto = s->entry.proto;
	s->entry.outcome = s->entry.family == 6 ? sweep_flow(s, true) : sweep_flow(s, false);
	next++;
	if (bpf_skb_store_bytes(ctx, off, &s->entry, sizeof(s->entry), 0) ||
	    bpf_skb_store_bytes(ctx, 0, &next, sizeof(next), 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}
