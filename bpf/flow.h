/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: find, insert, touch. Two maps, one shape: struct flow first,
 * then the addresses of the family.
 */
#pragma once

#include "config.h"
#include "hash.h"
#include "maps.h"
#include "pkt.h"

static __always_inline __u32 flow_clock(void)
{
	return (cfg_has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns()) >> 30;
}

/* Byte arrays that are copied word by word. */
#define WORDS __attribute__((aligned(8)))

static __always_inline void flow4_key(struct flow4_key *key, const struct tuple *t)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->saddr = t->saddr[3];
	key->daddr = t->daddr[3];
	key->sport = t->sport;
	key->dport = t->dport;
	key->proto = t->proto;
}

static __always_inline void flow6_key(struct flow6_key *key, const struct tuple *t)
{
	__builtin_memset(key, 0, sizeof(*key));
	addr_copy((__be32 *)key->saddr, t->saddr);
	addr_copy((__be32 *)key->daddr, t->daddr);
	key->sport = t->sport;
	key->dport = t->dport;
	key->proto = t->proto;
}

static __always_inline struct flow *flow_find(bool v6, const struct tuple *t)
{
	if (v6) {
		struct flow6_key key WORDS;

		flow6_key(&key, t);
		return bpf_map_lookup_elem(&flows6, &key);
	} else {
		struct flow4_key key;

		flow4_key(&key, t);
		return bpf_map_lookup_elem(&flows4, &key);
	}
}

/* Memory for keys and new rows, which beside all else would not fit the stack's 512 bytes. */
struct flow_buffer {
	struct flow6_key key6 WORDS;
	struct flow6 row6;
	struct flow4_key key4;
	struct flow4 row4;
};

/* flow_find, where the stack is scarce. */
static __always_inline struct flow *flow_find_with(struct flow_buffer *buf, bool v6,
						   const struct tuple *t)
{
	if (v6) {
		flow6_key(&buf->key6, t);
		return bpf_map_lookup_elem(&flows6, &buf->key6);
	}
	flow4_key(&buf->key4, t);
	return bpf_map_lookup_elem(&flows4, &buf->key4);
}

static __always_inline void flow_remove(struct flow_buffer *buf, bool v6, const struct tuple *t)
{
	if (v6) {
		flow6_key(&buf->key6, t);
		bpf_map_delete_elem(&flows6, &buf->key6);
	} else {
		flow4_key(&buf->key4, t);
		bpf_map_delete_elem(&flows4, &buf->key4);
	}
}

/* Inserts the row t, whose packets become after; the result is the helper's. Before
 * 6.4 its upper half is left undefined where the verifier calls the map directly. */
static __always_inline int flow_insert(struct flow_buffer *buf, bool v6, const struct tuple *t,
				       const struct tuple *after, const struct flow *flow,
				       const __be32 nexthop[4], __u64 flags)
{
	if (v6) {
		struct flow6 *row = &buf->row6;

		flow6_key(&buf->key6, t);
		row->flow = *flow;
		row->flow.sport = after->sport;
		row->flow.dport = after->dport;
		addr_copy((__be32 *)row->saddr, after->saddr);
		addr_copy((__be32 *)row->daddr, after->daddr);
		addr_copy((__be32 *)row->nexthop, nexthop);
		return bpf_map_update_elem(&flows6, &buf->key6, row, flags);
	} else {
		struct flow4 *row = &buf->row4;

		flow4_key(&buf->key4, t);
		row->flow = *flow;
		row->flow.sport = after->sport;
		row->flow.dport = after->dport;
		row->saddr = after->saddr[3];
		row->daddr = after->daddr[3];
		row->nexthop = nexthop[3];
		return bpf_map_update_elem(&flows4, &buf->key4, row, flags);
	}
}

/* Answers of backends that the client's own address was kept towards. On the way
 * in they are left alone: with the frontend's address, which may be this node's
 * own, the stack would take them for forged. */
static __always_inline bool flow_is_undone_on_egress(const struct flow *flow)
{
	return (flow->flags & (FLOW_REPLY | FLOW_FORWARD)) == FLOW_REPLY;
}

/* What the flow's packets become. */
static __always_inline void flow_translation(bool v6, const struct flow *flow, __u8 proto,
					     struct tuple *after)
{
	if (v6) {
		const struct flow6 *row = (const struct flow6 *)flow;

		addr_copy(after->saddr, row->saddr);
		addr_copy(after->daddr, row->daddr);
	} else {
		const struct flow4 *row = (const struct flow4 *)flow;

		addr_map_v4(after->saddr, row->saddr);
		addr_map_v4(after->daddr, row->daddr);
	}
	after->sport = flow->sport;
	after->dport = flow->dport;
	after->proto = proto;
}

/* The other direction's row, at key, of the row at t: it leads back to where that comes
 * from. None where the client's port has found another way meanwhile. */
static __always_inline struct flow *flow_find_pair(struct flow_buffer *buf, bool v6,
						   const struct tuple *t, const struct tuple *key,
						   struct tuple *leads_to)
{
	struct flow *pair = flow_find_with(buf, v6, key);

	if (!pair)
		return 0;
	flow_translation(v6, pair, t->proto, leads_to);
	return leads_to->sport == t->dport && leads_to->dport == t->sport &&
			       addr_equal(leads_to->saddr, t->daddr, v6) &&
			       addr_equal(leads_to->daddr, t->saddr, v6) ?
		       pair :
		       0;
}

static __always_inline void flow_nexthop(bool v6, const struct flow *flow, __be32 nexthop[4])
{
	if (v6)
		addr_copy(nexthop, ((const struct flow6 *)flow)->nexthop);
	else
		addr_map_v4(nexthop, ((const struct flow4 *)flow)->nexthop);
}

static __always_inline void flow_set_nexthop(bool v6, struct flow *flow, const __be32 nexthop[4])
{
	if (v6)
		addr_copy((__be32 *)((struct flow6 *)flow)->nexthop, nexthop);
	else
		((struct flow4 *)flow)->nexthop = nexthop[3];
}

/*
 * A connection that takes over the rows of an ended one, and the sweeper that
 * removes them, exclude each other by a lock of the client's: the sweeper marks
 * under it what is still as it was judged, and removes it afterwards.
 */
struct flow_lock {
	struct bpf_spin_lock lock;
};

#define FLOW_LOCKS 256

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOW_LOCKS);
	__type(key, __u32);
	__type(value, struct flow_lock);
} flow_locks __weak SEC(".maps") TAG("private");

static __always_inline struct flow_lock *flow_lock_of(const struct tuple *client)
{
	__u32 hash = hash_word(client->saddr[3], (__u32)client->sport << 16 | client->dport);
	__u32 index = hash_finish(hash) % FLOW_LOCKS;

	return bpf_map_lookup_elem(&flow_locks, &index);
}

/* Reset, or closed by both sides. */
static __always_inline bool flow_state_is_over(__u8 state)
{
	const __u8 both = FLOW_FIN | FLOW_PEER_FIN;

	return (state & FLOW_RST) || (state & both) == both;
}

/* The connection is over, and nobody has sent anything since the clock's last tick
 * (after FINs: the last but one). A RST that is not the connection's does not end it. */
static __always_inline bool flow_is_over(const struct flow *flow, __u32 now)
{
	__s32 quiet = now - flow->last_seen;

	return !(flow->state & FLOW_LEAVING) && flow_state_is_over(flow->state) &&
	       quiet > (flow->state & FLOW_RST ? 0 : 1);
}

/* Marks both rows of a flow (there may be one only), unless it has come to life again. */
static __always_inline bool flow_leave(struct flow *flow, struct flow *pair,
				       const struct tuple *client)
{
	struct flow_lock *lock = flow_lock_of(client);
	__u32 now = flow_clock();
	bool over;

	if (!lock)
		return false;
	bpf_spin_lock(&lock->lock);
	over = flow_is_over(flow, now) && (!pair || flow_is_over(pair, now));
	if (over) {
		flow->state |= FLOW_LEAVING;
		if (pair)
			pair->state |= FLOW_LEAVING;
	}
	bpf_spin_unlock(&lock->lock);
	return over;
}

/* False: the row is leaving, and its key with it. */
static __always_inline bool flow_take_over(struct flow *flow, const struct tuple *client)
{
	struct flow_lock *lock = flow_lock_of(client);
	__u32 now = flow_clock();
	bool taken;

	if (!lock)
		return false;
	bpf_spin_lock(&lock->lock);
	taken = !(flow->state & FLOW_LEAVING);
	if (taken) {
		flow->state = 0;
		flow->last_seen = now;
	}
	bpf_spin_unlock(&lock->lock);
	return taken;
}

static __always_inline __u8 flow_state_of(__u8 tcp_flags)
{
	__u8 state = 0;

	if (tcp_flags & TCP_SYN)
		state |= FLOW_SYN;
	if (tcp_flags & TCP_ACK)
		state |= FLOW_ACK;
	if (tcp_flags & TCP_FIN)
		state |= FLOW_FIN;
	if (tcp_flags & TCP_RST)
		state |= FLOW_RST;
	return state;
}

/* One direction of a flow is served by one CPU at a time (RSS, socket lock):
 * no atomics. Fields that rarely change are read before they are written.
 * True about once a second: the clock has moved since the last packet. */
static __always_inline bool flow_touch(struct flow *flow, const struct pkt *p)
{
	__u32 now = flow_clock();
	__u8 state = flow->state | flow_state_of(p->tcp_flags);
	bool ticked = flow->last_seen != now;

	if (ticked)
		flow->last_seen = now;
	if (flow->state != state)
		flow->state = state;
	flow->packets++;
	flow->bytes += p->len;
	return ticked;
}
