/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a packet on the per-packet path. Included by a door after its
 * io_*.h; each function ends in a verdict of that door.
 *
 * Client -> frontend: find the flow, or choose a backend and make one.
 * Backend -> client: undo it, on ingress where the flow was SNATed (the reply
 * came to this node's address), otherwise on egress, where it leaves to the client.
 *
 * What most packets do not need stands out of line, once per family, to keep it
 * from their stack and cache. The family is no argument there: 5.10's verifier
 * would forget it.
 */
#pragma once

#include <linux/errno.h>
#include "affinity.h"
#include "answer.h"
#include "client.h"
#include "flow.h"
#include "fragment.h"
#include "nat.h"
#include "route.h"
#include "unserved.h"
#include "verdict.h"

#define SNAT_TRIES 32
/* An skb of 64 KiB has fewer segments that need cutting. */
#define CUT_MAX 64

/* What does not fit the stack. Per CPU; softirq does not nest. */
struct lb_scratch {
	struct ask ask;
	struct choice choice;
	struct flow_buffer buffer;
	struct bpf_fib_lookup fib;
	struct hop hop;
	struct flow flow;
	struct tuple after; /* the packet's tuple after translation */
	struct tuple reply; /* the tuple of the backend's answers */
	struct tuple back;  /* what that becomes */
	struct tuple known;
	__be32 nexthop[4];
	__be16 spare;          /* a source port whose flow is over; 0: none was met */
	bool adopted;          /* the reply's row was there before */
	struct tuple opposite; /* of the packet's other direction, or of one that is quoted */
	/* of ICMP errors */
	struct pkt quote;
	struct tuple quoted;
	struct tuple outer;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct lb_scratch));
} lb_scratch SEC(".maps") TAG("private");

static __always_inline struct lb_scratch *lb_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lb_scratch, &zero);
}

static __always_inline int lb_drop(const struct pkt *p, enum drop_reason reason)
{
	drop_count(reason, p->len);
	return VERDICT_DROP;
}

static __always_inline __u32 lb_hash_addr(bool v6, __u32 h, const __be32 addr[4])
{
	h = hash_word(h, addr[3]);
	if (v6) {
		h = hash_word(h, addr[0]);
		h = hash_word(h, addr[1]);
		h = hash_word(h, addr[2]);
	}
	return h;
}

/* What the choice of a backend goes by. */
static __always_inline void lb_hash(bool v6, const struct tuple *t, struct ask *ask)
{
	__u32 source = lb_hash_addr(v6, HASH_SEED, t->saddr);

	/* not the destination address: each node has its own for a NodePort */
	ask->flow_hash = hash_finish(
		hash_word(hash_word(source, (__u32)t->sport << 16 | t->dport), t->proto));
	ask->source_hash = hash_finish(source);
	ask->destination_hash = hash_finish(lb_hash_addr(v6, HASH_SEED, t->daddr));
}

static __always_inline struct frontend *lb_frontend(const struct tuple *t)
{
	struct frontend *fe = svc_lookup(t->daddr, t->dport, t->proto);

	if (fe)
		return fe;
	fe = svc_lookup_node_port(t->daddr, t->dport, t->proto);
	return fe && node_addr_has_node_ports(t->daddr) ? fe : 0;
}

static __always_inline enum route_kind lb_route_anew(ctx_t *ctx, bool v6, struct flow *flow,
						     const struct tuple *after)
{
	struct lb_scratch *s = lb_scratch_get();
	__u32 generation = route_generation();
	enum route_kind kind;

	if (!s)
		return ROUTE_NONE;
	kind = route_lookup(ctx, ctx->ifindex, v6, after, &s->fib, &s->hop);
	if (kind != ROUTE_FORWARD)
		return kind;
	flow->ifindex = s->hop.ifindex;
	flow->mtu = s->hop.mtu;
	flow_set_nexthop(v6, flow, s->hop.nexthop);
	flow->generation = generation;
	return ROUTE_FORWARD;
}

/* The next hop of a known flow, asked anew when routes have changed since. */
static __always_inline enum route_kind lb_hop(ctx_t *ctx, bool v6, struct flow *flow,
					      const struct tuple *after)
{
	return flow->generation == route_generation() ? ROUTE_FORWARD :
							lb_route_anew(ctx, v6, flow, after);
}

static __always_inline int lb_send(ctx_t *ctx, bool v6, const struct pkt *p,
				   const struct flow *flow)
{
	__be32 nexthop[4];

	flow_nexthop(v6, flow, nexthop);
	return route_send(ctx, v6, p->l3, flow->ifindex, nexthop);
}

static __always_inline __u32 lb_headers(const struct pkt *p)
{
	return p->l4 - p->l3 + (p->tuple.proto == IPPROTO_TCP ? p->tcp_len : sizeof(struct udphdr));
}

static __always_inline bool lb_too_big(const ctx_t *ctx, const struct pkt *p, __u16 mtu)
{
	return mtu && ctx_segment_len(ctx, lb_headers(p), p->len) > mtu;
}

/* How many packets the stack has to cut; 0: none, the sender must be told. It may
 * cut where the sender allows it, and where egress sees what it has cut. */
static __always_inline __u32 lb_may_cut(const ctx_t *ctx, const struct pkt *p,
					const struct flow *flow)
{
	struct iface_key key = { .ifindex = flow->ifindex };
	struct iface *iface;
	__u32 count;

	if (p->frag & bpf_htons(IP_DF))
		return 0;
	iface = bpf_map_lookup_elem(&ifaces, &key);
	if (!iface || !(iface->flags & IFACE_UPLINK))
		return 0;
	count = ctx_segments(ctx, lb_headers(p), p->len);
	return count <= CUT_MAX ? count : 0;
}

/*
 * Lets the stack forward the packet, and cut it. It would take none whose source
 * is an address of its own, as after translation; so the sender's address stays
 * until egress.
 */
static __noinline int lb_cut4(ctx_t *ctx, const struct pkt *p, const struct tuple *after,
			      __u32 count)
{
	struct tuple halfway = *after;
	__u32 i;

	addr_copy(halfway.saddr, p->tuple.saddr);
	for (i = 0; i < CUT_MAX && i < count; i++)
		if (!fragment_note(p, &halfway, i, after->saddr[3]))
			return lb_drop(p, DROP_FLOWS_FULL);
	if (!nat_translate(ctx, false, p, &halfway, p->ttl))
		return lb_drop(p, DROP_HELPER_FAILED);
	return VERDICT_PASS;
}

/* Translates and sends out by the flow's next hop. */
static __always_inline int lb_forward(ctx_t *ctx, bool v6, struct pkt *p, struct flow *flow,
				      const struct tuple *after)
{
	__u32 count;

	switch (lb_hop(ctx, v6, flow, after)) {
	case ROUTE_FORWARD:
		break;
	case ROUTE_STACK: /* the route to the backend has moved behind this host */
		return nat_translate(ctx, v6, p, after, p->ttl) ? VERDICT_PASS :
								  lb_drop(p, DROP_HELPER_FAILED);
	default:
		return lb_drop(p, DROP_NO_ROUTE);
	}
	if (p->ttl <= 1)
		return lb_drop(p, DROP_TTL_EXCEEDED);
	if (lb_too_big(ctx, p, flow->mtu)) {
		count = v6 ? 0 : lb_may_cut(ctx, p, flow);
		if (count)
			return lb_cut4(ctx, p, after, count);
		drop_count(DROP_TOO_BIG, p->len);
		return answer_too_big(ctx, v6, p, flow->mtu);
	}
	if (!nat_translate(ctx, v6, p, after, p->ttl - 1))
		return lb_drop(p, DROP_HELPER_FAILED);
	return lb_send(ctx, v6, p, flow);
}

/* Each row must know that the connection ends: the sweeper judges by one row.
 * Before flow_touch, so that the last packet of all is known. */
static __always_inline void lb_note_end(bool v6, const struct pkt *p, const struct tuple *after,
					const struct flow *flow)
{
	struct lb_scratch *s = lb_scratch_get();
	struct flow *opposite;

	if (!s)
		return;
	if (!flow_state_is_over(flow->state) &&
	    flow_state_is_over(flow->state | flow_state_of(p->tcp_flags)))
		conns_add(flow->service, flow->backend, 0, -1);
	tuple_reverse(after, &s->opposite);
	opposite = flow_find_with(&s->buffer, v6, &s->opposite);
	if (!opposite)
		return;
	if (p->tcp_flags & TCP_FIN)
		opposite->state |= FLOW_PEER_FIN;
	if (p->tcp_flags & TCP_RST)
		opposite->state |= FLOW_RST;
}

static __noinline int lb_note_end4(const struct pkt *p, const struct tuple *after,
				   const struct flow *flow)
{
	lb_note_end(false, p, after, flow);
	return 0;
}

static __noinline int lb_note_end6(const struct pkt *p, const struct tuple *after,
				   const struct flow *flow)
{
	lb_note_end(true, p, after, flow);
	return 0;
}

/* The LRU may evict one row of a flow and leave the other. Without the reply's
 * row answers would leak untranslated, without the client's a changed set would
 * lead the connection elsewhere: whichever lives makes the other anew. */
static __always_inline void lb_mend_pair(bool v6, const struct tuple *before,
					 const struct tuple *after, const struct flow *flow)
{
	struct lb_scratch *s = lb_scratch_get();

	if (!s || (flow->state & (FLOW_FIN | FLOW_PEER_FIN | FLOW_RST)))
		return;
	tuple_reverse(after, &s->reply);
	if (flow_find_with(&s->buffer, v6, &s->reply))
		return;
	tuple_reverse(before, &s->back);
	s->flow = *flow;
	s->flow.flags ^= FLOW_REPLY;
	s->flow.packets = 0;
	s->flow.bytes = 0;
	s->flow.generation = 0;
	s->flow.ifindex = 0;
	s->flow.mtu = 0;
	__builtin_memset(s->nexthop, 0, sizeof(s->nexthop));
	flow_insert(&s->buffer, v6, &s->reply, &s->back, &s->flow, s->nexthop, BPF_NOEXIST);
}

/* On egress the packet already has its way: only ingress may forward. */
static __always_inline int lb_translate(ctx_t *ctx, bool v6, bool ingress, struct pkt *p,
					struct flow *flow)
{
	struct tuple after;

	flow_translation(v6, flow, p->tuple.proto, &after);
	if (p->tcp_flags & (TCP_FIN | TCP_RST))
		v6 ? lb_note_end6(p, &after, flow) : lb_note_end4(p, &after, flow);
	if (flow_touch(flow, p))
		lb_mend_pair(v6, &p->tuple, &after, flow);
	if (ingress && (flow->flags & FLOW_FORWARD))
		return lb_forward(ctx, v6, p, flow, &after);
	if (!nat_translate(ctx, v6, p, &after, p->ttl))
		return lb_drop(p, DROP_HELPER_FAILED);
	return VERDICT_PASS;
}

/* A row that stands where we want ours may be ours: of a flow whose other row
 * was evicted, of one that has ended, or of the same packet on another CPU. */
static __always_inline bool lb_is_ours(bool v6, struct lb_scratch *s)
{
	struct flow *flow = flow_find_with(&s->buffer, v6, &s->reply);

	if (!flow || !(flow->flags & FLOW_REPLY))
		return false;
	/* a little longer: the client's row may have had its last packet later */
	if (flow_is_over(flow, s->flow.last_seen - 1))
		s->spare = s->after.sport;
	flow_translation(v6, flow, s->reply.proto, &s->known);
	return tuple_equal(&s->known, &s->back, v6);
}

/* No port is free: takes that of a flow that is over, before it is swept. What it
 * has carried counts for its successor, if that is of the same Service. */
static __always_inline enum drop_reason lb_recycle(bool v6, struct lb_scratch *s)
{
	struct flow *flow, *pair;
	bool same;

	s->after.sport = s->spare;
	tuple_reverse(&s->after, &s->reply);
	flow = flow_find_with(&s->buffer, v6, &s->reply);
	if (!s->spare || !flow)
		return DROP_SNAT_EXHAUSTED;
	flow_translation(v6, flow, s->reply.proto, &s->known);
	tuple_reverse(&s->known, &s->opposite);
	pair = flow_find_pair(&s->buffer, v6, &s->reply, &s->opposite, &s->known);
	if (!flow_leave(flow, pair, &s->opposite))
		return DROP_SNAT_EXHAUSTED;
	same = flow->service == s->flow.service;
	s->flow.packets = same ? flow->packets : 0;
	s->flow.bytes = same ? flow->bytes : 0;
	if (flow_insert(&s->buffer, v6, &s->reply, &s->back, &s->flow, s->nexthop, BPF_ANY))
		return DROP_FLOWS_FULL;
	s->flow.packets = same && pair ? pair->packets : 0;
	s->flow.bytes = same && pair ? pair->bytes : 0;
	if (pair)
		flow_remove(&s->buffer, v6, &s->opposite);
	return DROP_NONE;
}

static __always_inline bool lb_adopt(bool v6, const struct tuple *client, struct lb_scratch *s)
{
	struct flow *flow = flow_find_with(&s->buffer, v6, &s->reply);

	if (!flow || !flow_take_over(flow, client))
		return false;
	/* long ago, so that its first packet looks for the reply's row: see lb_give_back */
	s->flow.last_seen = flow->last_seen - 1;
	return true;
}

/* Whether the client's row is there and leads to s->after. */
static __always_inline bool lb_leads_there(bool v6, const struct tuple *client,
					   struct lb_scratch *s)
{
	struct flow *flow = flow_find_with(&s->buffer, v6, client);

	if (!flow)
		return false;
	flow_translation(v6, flow, client->proto, &s->known);
	return tuple_equal(&s->known, &s->after, v6);
}

/*
 * The reply's row is ours and the client's could not be made: removes it, and so
 * gives its port back. Meanwhile another CPU may adopt it for a packet of the
 * same client. Nothing locks two rows, so each side looks again after it has
 * written: we for the client's row after removing the reply's, the adopter for
 * the reply's row after inserting the client's (lb_mend_pair, at its first
 * packet). Whichever writes last sees the other's work, and makes the row anew.
 */
static __always_inline void lb_give_back(bool v6, const struct tuple *client, struct lb_scratch *s)
{
	if (s->adopted || lb_leads_there(v6, client, s))
		return;
	flow_remove(&s->buffer, v6, &s->reply);
	if (lb_leads_there(v6, client, s))
		lb_mend_pair(v6, client, &s->after, &s->flow);
}

/*
 * Inserts the reply's row, which becomes s->back, and by that takes the source
 * port: BPF_NOEXIST makes the insertion the allocation. s->after.sport is the port
 * taken. Without SNAT the client's own port comes first; it is taken only when one
 * client port talks to one backend through two frontends.
 */
static __always_inline int lb_take_port(bool v6, __u32 hash)
{
	struct lb_scratch *s = lb_scratch_get();
	struct flow *flow;
	bool snat;
	int result;
	int i;

	if (!s)
		return DROP_HELPER_FAILED;
	flow = &s->flow;
	snat = flow->flags & FLOW_SNAT;
	s->adopted = false;
	s->spare = 0;
	flow->flags |= FLOW_REPLY;
	flow->generation = 0;
	__builtin_memset(s->nexthop, 0, sizeof(s->nexthop));
	for (i = 0; i < SNAT_TRIES; i++) {
		/* each try by a hash: steps that are alike make clusters of taken ports */
		if (i > 0 || snat)
			s->after.sport =
				bpf_htons(cfg_snat_port_min +
					  hash_scale(hash_finish(hash + i), cfg_snat_port_count));
		tuple_reverse(&s->after, &s->reply);
		result = flow_insert(&s->buffer, v6, &s->reply, &s->back, flow, s->nexthop,
				     BPF_NOEXIST);
		if (result == 0)
			return DROP_NONE;
		if (result != -EEXIST)
			return DROP_FLOWS_FULL;
		s->adopted = lb_is_ours(v6, s);
		if (s->adopted)
			return DROP_NONE;
	}
	return lb_recycle(v6, s);
}

/* Global functions: the verifier walks them once, not once for each way to here. */
__weak __noinline int lb_take_port4(__u32 hash)
{
	return lb_take_port(false, hash);
}

__weak __noinline int lb_take_port6(__u32 hash)
{
	return lb_take_port(true, hash);
}

static __always_inline bool addr_is_zero(const __be32 addr[4], bool v6)
{
	return addr[3] == 0 && (!v6 || (addr[0] == 0 && addr[1] == 0 && addr[2] == 0));
}

/* The address of the interface that the packet leaves by. */
static __always_inline bool lb_snat_source(bool v6, __u32 ifindex, __be32 saddr[4])
{
	struct iface_key key = { .ifindex = ifindex };
	struct iface *iface = bpf_map_lookup_elem(&ifaces, &key);

	if (!iface)
		return false;
	if (v6)
		addr_copy(saddr, iface->addr6);
	else
		saddr[3] = iface->addr4;
	return !addr_is_zero(saddr, v6);
}

/*
 * Decides whether the chosen backend is reached through this host's stack or by
 * forwarding, and in that case from which address. The client is hidden behind
 * this node's address where its backend's answers would take another way home.
 * What a pod of this node sends to another node goes by the stack's routes and
 * whatever rules the operator has there: its answers come back here.
 * hide: the configuration asks for it, wherever the backend is.
 */
static __always_inline enum drop_reason lb_route(ctx_t *ctx, bool v6, bool hide, __u8 backend_flags,
						 struct lb_scratch *s)
{
	bool from_pod = iface_flags(ctx->ifindex) & IFACE_POD;
	bool elsewhere;

	hide |= addr_equal(s->after.saddr, s->after.daddr, v6); /* a pod asks itself */
	if ((backend_flags & BACKEND_LOCAL) && !hide && !from_pod)
		return DROP_NONE;
	switch (route_lookup(ctx, ctx->ifindex, v6, &s->after, &s->fib, &s->hop)) {
	case ROUTE_STACK:
		return DROP_NONE;
	case ROUTE_NONE:
		return DROP_NO_ROUTE;
	case ROUTE_FORWARD:
		break;
	}
	elsewhere = !(backend_flags & BACKEND_LOCAL) &&
		    ((backend_flags & BACKEND_REMOTE) || s->hop.gateway || s->hop.uplink);
	/* behind one bridge the answer would never come up to this host */
	hide |= from_pod ? s->hop.ifindex == ctx->ifindex : elsewhere;
	if (!hide)
		return DROP_NONE;
	if (!lb_snat_source(v6, s->hop.ifindex, s->after.saddr))
		return DROP_SNAT_NO_ADDRESS;
	s->flow.flags |= FLOW_SNAT | FLOW_FORWARD;
	return DROP_NONE;
}

static __always_inline enum drop_reason
lb_make_flow(ctx_t *ctx, bool v6, const struct tuple *client, const struct frontend *fe,
	     const struct backend *backend, struct lb_scratch *s, struct flow **row)
{
	bool hide = fe && (fe->flags & FRONTEND_CLUSTER_IP) &&
		    (control_flags() & CONTROL_MASQUERADE_ALL);
	enum drop_reason reason;

	s->after = *client;
	addr_copy(s->after.daddr, backend->addr);
	s->after.dport = backend->port;
	s->flow.backend = s->choice.id;
	s->flow.last_seen = flow_clock();
	reason = lb_route(ctx, v6, hide, backend->flags, s);
	if (reason != DROP_NONE)
		return reason;
	tuple_reverse(client, &s->back);
	reason = v6 ? lb_take_port6(s->ask.flow_hash) : lb_take_port4(s->ask.flow_hash);
	if (reason != DROP_NONE)
		return reason;
	if (s->adopted && !lb_adopt(v6, client, s))
		return DROP_FLOW_LEAVING;

	s->flow.flags &= ~FLOW_REPLY;
	if (s->flow.flags & FLOW_FORWARD) {
		s->flow.generation = route_generation();
		s->flow.ifindex = s->hop.ifindex;
		s->flow.mtu = s->hop.mtu;
		addr_copy(s->nexthop, s->hop.nexthop);
	}
	if (flow_insert(&s->buffer, v6, client, &s->after, &s->flow, s->nexthop, BPF_ANY) == 0)
		*row = flow_find_with(&s->buffer, v6, client);
	if (!*row) {
		lb_give_back(v6, client, s);
		return DROP_FLOWS_FULL;
	}
	conns_add(s->flow.service, s->flow.backend, 1, 1);
	return DROP_NONE;
}

/* A SYN on a row whose connection has ended, and no frontend (any more): if the row
 * leads where the packet goes anyway, it serves again; else it must not get hold of
 * what follows. */
static __always_inline struct flow *lb_old_flow(bool v6, const struct tuple *client,
						struct lb_scratch *s)
{
	struct flow *flow = flow_find_with(&s->buffer, v6, client);

	if (!flow)
		return 0;
	flow_translation(v6, flow, client->proto, &s->known);
	if (s->known.dport == client->dport && addr_equal(s->known.daddr, client->daddr, v6)) {
		conns_add(flow->service, flow->backend, 0, 1);
		return flow;
	}
	flow_remove(&s->buffer, v6, client);
	return 0;
}

/*
 * Packets to a backend itself look, when they are answered, like those of a flow
 * from the same client port to the same backend through a frontend on this node.
 * netfilter gives the later one another source port, and so do we: it becomes a
 * flow, too. Nobody: there is no such flow.
 */
static __always_inline struct backend *lb_choose_same(bool v6, const struct tuple *client,
						      struct lb_scratch *s)
{
	struct flow *flow;

	tuple_reverse(client, &s->reply);
	flow = flow_find_with(&s->buffer, v6, &s->reply);
	if (!flow || !flow_is_undone_on_egress(flow))
		return 0;
	lb_hash(v6, client,
		&s->ask); /* only here: every datagram without a frontend comes this way */
	s->flow.service = flow->service;
	s->choice.id = flow->backend;
	return backend_find(flow->backend);
}

/* The address of affinity is that before masquerading, without the port, as in kube-proxy. */
static __always_inline struct backend *lb_choose(ctx_t *ctx, bool v6, const struct tuple *client,
						 const struct frontend *fe, struct lb_scratch *s,
						 enum drop_reason *reason)
{
	struct backend *backend;

	*reason = DROP_SOURCE_RANGE;
	if ((fe->flags & FRONTEND_SOURCE_RANGES) && !client_in_ranges(fe->service, client->saddr))
		return 0;
	lb_hash(v6, client, &s->ask);
	s->ask.service = fe->service;
	s->ask.set = client_set(fe, ctx->ifindex, client->saddr);
	s->ask.affinity_s = fe->affinity_s;
	addr_copy((__be32 *)s->ask.client.client, client->saddr);
	s->ask.client.service = fe->service;
	s->ask.client.kind = CLIENT_ADDRESS;
	s->flow.service = fe->service;
	backend = choose(&s->ask, &s->choice);
	if (!backend)
		*reason = s->choice.mode == SET_REJECT ? DROP_NO_BACKEND :
			  s->choice.mode == SET_DROP   ? DROP_NO_LOCAL_BACKEND :
							 DROP_STALE_SET;
	return backend;
}

/* The first packet of a flow, or the first after its row was evicted: the
 * Maglev table leads it to the same backend as long as the set is the same.
 * Returns the client's row; where there is none, *reason says why, unless the
 * packet is no business of ours: no frontend, and no flow that it looks like. */
static __always_inline struct flow *lb_new_flow(ctx_t *ctx, bool v6, const struct tuple *client,
						const struct frontend *fe, enum drop_reason *reason)
{
	struct lb_scratch *s = lb_scratch_get();
	struct backend *backend;
	struct flow *row = 0;

	*reason = DROP_HELPER_FAILED;
	if (!s)
		return 0;
	*reason = DROP_NONE;
	if (!fe && client->proto == IPPROTO_TCP) {
		row = lb_old_flow(v6, client, s);
		if (row)
			return row;
	}
	__builtin_memset(&s->flow, 0, sizeof(s->flow));
	backend = fe ? lb_choose(ctx, v6, client, fe, s, reason) : lb_choose_same(v6, client, s);
	if (backend)
		*reason = lb_make_flow(ctx, v6, client, fe, backend, s, &row);
	return row;
}

static __noinline struct flow *lb_new_flow4(ctx_t *ctx, const struct tuple *client,
					    const struct frontend *fe, enum drop_reason *reason)
{
	return lb_new_flow(ctx, false, client, fe, reason);
}

static __noinline struct flow *lb_new_flow6(ctx_t *ctx, const struct tuple *client,
					    const struct frontend *fe, enum drop_reason *reason)
{
	return lb_new_flow(ctx, true, client, fe, reason);
}

/* A SYN on a known flow opens a new connection when the old one has ended, or
 * when nobody took the last SYN and the backend is in no set any more. */
static __always_inline bool lb_flow_over(const struct pkt *p, const struct flow *flow)
{
	struct backend *backend;
	__u32 id;

	if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || (flow->flags & FLOW_REPLY))
		return false;
	if (flow->state & (FLOW_FIN | FLOW_PEER_FIN | FLOW_RST))
		return true;
	id = flow->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	return !backend || (backend->flags & BACKEND_RETIRED) || backend_is_free(backend);
}

/*
 * An ICMP error belongs to the flow whose packet it quotes. The row of the
 * opposite direction says what the quoted packet was before we translated it,
 * and whom the error must reach.
 */
static __always_inline int lb_icmp_error(ctx_t *ctx, bool v6, bool ingress, struct pkt *p)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct lb_scratch *s = lb_scratch_get();
	struct flow *flow;
	__u8 ttl = p->ttl;
	bool forward;

	if (!s)
		return lb_drop(p, DROP_HELPER_FAILED);
	if (!pkt_parse_quote(data, data_end, v6, p, &s->quote))
		return VERDICT_PASS;
	tuple_reverse(&s->quote.tuple, &s->opposite);
	flow = flow_find_with(&s->buffer, v6, &s->opposite);
	if (!flow)
		return VERDICT_PASS;
	if (ingress == flow_is_undone_on_egress(flow))
		return VERDICT_PASS;
	forward = ingress && (flow->flags & FLOW_FORWARD);
	flow_translation(v6, flow, s->opposite.proto, &s->after);
	tuple_reverse(&s->after, &s->quoted);
	s->outer = p->tuple;
	addr_copy(s->outer.daddr, s->after.daddr);
	/* a router's error keeps its sender, unless we forward it as ours */
	if (forward || addr_equal(p->tuple.saddr, s->opposite.saddr, v6))
		addr_copy(s->outer.saddr, s->after.saddr);
	if (forward) {
		if (lb_hop(ctx, v6, flow, &s->after) != ROUTE_FORWARD)
			return lb_drop(p, DROP_NO_ROUTE);
		if (ttl-- <= 1)
			return lb_drop(p, DROP_TTL_EXCEEDED);
	}
	if (!nat_translate_error(ctx, v6, p, &s->quote, &s->outer, &s->quoted, ttl))
		return lb_drop(p, DROP_HELPER_FAILED);
	return forward ? lb_send(ctx, v6, p, flow) : VERDICT_PASS;
}

static __noinline int lb_icmp_error4(ctx_t *ctx, bool ingress, struct pkt *p)
{
	return lb_icmp_error(ctx, false, ingress, p);
}

static __noinline int lb_icmp_error6(ctx_t *ctx, bool ingress, struct pkt *p)
{
	return lb_icmp_error(ctx, true, ingress, p);
}

/* Where there is no row, and no frontend to make one for. */
static __always_inline bool lb_may_be_first(const struct pkt *p)
{
	return p->tuple.proto == IPPROTO_UDP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline int lb_ingress(ctx_t *ctx, bool v6, struct pkt *p)
{
	enum drop_reason reason;
	struct frontend *fe;
	struct flow *flow;

	if (pkt_is_fragment(p))
		return VERDICT_PASS;
	flow = flow_find(v6, &p->tuple);
	if (flow && flow_is_undone_on_egress(flow))
		return VERDICT_PASS;
	if (!flow || lb_flow_over(p, flow)) {
		if (flow && !flow_take_over(flow, &p->tuple))
			return lb_drop(p, DROP_FLOW_LEAVING);
		fe = lb_frontend(&p->tuple);
		reason = DROP_NONE;
		if (fe || lb_may_be_first(p))
			flow = v6 ? lb_new_flow6(ctx, &p->tuple, fe, &reason) :
				    lb_new_flow4(ctx, &p->tuple, fe, &reason);
		if (!flow && reason == DROP_NONE) {
			if (!unserved(p->tuple.daddr))
				return VERDICT_PASS;
			reason = DROP_NO_SERVICE;
		}
		if (!flow) {
			drop_count(reason, p->len);
			return reason == DROP_NO_BACKEND || reason == DROP_NO_SERVICE ?
				       answer_refuse(ctx, v6, p) :
				       VERDICT_DROP;
		}
	}
	return lb_translate(ctx, v6, true, p, flow);
}

/* What ingress has left to the stack to be cut, and later fragments of replies. */
static __noinline int lb_egress_cut4(ctx_t *ctx, const struct pkt *p)
{
	__be32 source = fragment_source(p);
	struct tuple after = p->tuple;
	bool done;

	if (!source)
		return VERDICT_PASS;
	after.saddr[3] = source;
	if (p->ports)
		done = nat_translate(ctx, false, p, &after, p->ttl);
	else
		done = nat_store(ctx, false, false, p, &after, p->ttl,
				 nat_addr_diff(false, &p->tuple, &after));
	return done ? VERDICT_PASS : lb_drop(p, DROP_HELPER_FAILED);
}

static __always_inline int lb_egress(ctx_t *ctx, bool v6, struct pkt *p)
{
	struct flow *flow = flow_find(v6, &p->tuple);

	if (flow && flow_is_undone_on_egress(flow)) {
		if (!v6 && pkt_is_fragment(p) &&
		    !fragment_note(p, &p->tuple, 0, ((struct flow4 *)flow)->saddr))
			return lb_drop(p, DROP_FLOWS_FULL);
		return lb_translate(ctx, v6, false, p, flow);
	}
	if (v6 || (p->frag & bpf_htons(IP_DF)))
		return VERDICT_PASS;
	return lb_egress_cut4(ctx, p);
}
