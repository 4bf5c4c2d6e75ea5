/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a translated packet goes: to this host's stack, or out by a next hop.
 * The kernel's FIB decides; the answer is kept with the flow until the agent
 * raises control.generation.
 */
#pragma once

#include "maps.h"
#include "pkt.h"

#define AF_INET 2
#define AF_INET6 10

enum route_kind {
	ROUTE_STACK,   /* this host, or a device behind it: leave it to the stack */
	ROUTE_FORWARD, /* out by hop */
	ROUTE_NONE,
};

struct hop {
	__u32 ifindex;
	__u16 mtu;
	__be32 nexthop[4]; /* zero: not known in the flow's family */
	bool gateway;      /* the next hop is a router */
	bool uplink;
};

static __always_inline __u32 route_generation(void)
{
	__u32 zero = 0;
	struct control *row = bpf_map_lookup_elem(&control, &zero);

	return row ? *(volatile __u32 *)&row->generation : 0;
}

static __always_inline void route_fill_hop(bool v6, const struct bpf_fib_lookup *fib,
					   const struct tuple *t, struct hop *hop)
{
	struct iface_key key = { .ifindex = fib->ifindex };
	struct iface *iface = bpf_map_lookup_elem(&ifaces, &key);

	hop->ifindex = fib->ifindex;
	hop->mtu = iface ? iface->mtu : 0;
	hop->uplink = iface && (iface->flags & IFACE_UPLINK);
	__builtin_memset(hop->nexthop, 0, sizeof(hop->nexthop));
	if (v6) {
		addr_copy(hop->nexthop, fib->ipv6_dst);
		hop->gateway = !addr_equal(hop->nexthop, t->daddr, true);
	} else if (fib->family == AF_INET) {
		hop->nexthop[3] = fib->ipv4_dst;
		hop->gateway = fib->ipv4_dst != t->daddr[3];
	} else {
		hop->gateway = true; /* an IPv4 route via an IPv6 router (RFC 5549) */
	}
}

static __always_inline enum route_kind route_lookup(ctx_t *ctx, __u32 ifindex, bool v6,
						    const struct tuple *t,
						    struct bpf_fib_lookup *params, struct hop *hop)
{
	long result;

	__builtin_memset(params, 0, sizeof(*params));
	params->ifindex = ifindex;
	params->l4_protocol = t->proto;
	params->sport = t->sport;
	params->dport = t->dport;
	if (v6) {
		params->family = AF_INET6;
		addr_copy(params->ipv6_src, t->saddr);
		addr_copy(params->ipv6_dst, t->daddr);
	} else {
		params->family = AF_INET;
		params->ipv4_src = t->saddr[3];
		params->ipv4_dst = t->daddr[3];
	}
	result = bpf_fib_lookup(ctx, params, sizeof(*params), 0);
	switch (result) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH: /* bpf_redirect_neigh resolves it and queues the packet */
	case BPF_FIB_LKUP_RET_FRAG_NEEDED: /* found, but not for this packet; its sender shall be told */
		route_fill_hop(v6, params, t, hop);
		return ROUTE_FORWARD;
	case BPF_FIB_LKUP_RET_NOT_FWDED: /* an address of this host */
		return ROUTE_STACK;
	default:
		return ROUTE_NONE;
	}
}

/* l3: where the packet's IP header lies. A device without a link layer leaves
 * no header before it, and bpf_redirect_neigh insists on taking one off. A tag
 * is of the VLAN that the packet came by; the next hop is in another. */
static __always_inline int route_send(ctx_t *ctx, bool v6, __u16 l3, __u32 ifindex,
				      const __be32 nexthop[4])
{
	struct bpf_redir_neigh neigh = {};

	if (ctx->vlan_present && bpf_skb_vlan_pop(ctx))
		return VERDICT_DROP;
	if (l3 == 0 && bpf_skb_change_head(ctx, ETH_HLEN, 0))
		return VERDICT_DROP;
	if (v6) {
		neigh.nh_family = AF_INET6;
		addr_copy(neigh.ipv6_nh, nexthop);
	} else {
		if (nexthop[3] == 0)
			return bpf_redirect_neigh(ifindex, 0, 0, 0);
		neigh.nh_family = AF_INET;
		neigh.ipv4_nh = nexthop[3];
	}
	return bpf_redirect_neigh(ifindex, &neigh, sizeof(neigh), 0);
}
