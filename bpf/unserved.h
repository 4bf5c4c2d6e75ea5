/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes to addresses of Services and to no frontend: ports that nobody has,
 * addresses that nobody has yet, and pings. Out of line, for it is little.
 */
#pragma once

#include "answer.h"
#include "client.h"
#include "verdict.h"

static __noinline bool unserved_in_ranges(const __be32 addr[4])
{
	return svc_in_ranges(addr);
}

/* A service address that has no such port, or is nobody's: never routed on. */
static __always_inline bool unserved(const __be32 addr[4])
{
	return (control_flags() & CONTROL_SERVICE_RANGES) && unserved_in_ranges(addr);
}

/* Of an address that only Services have; a node's own stack answers for its own. */
static __always_inline bool unserved_answers_ping(const __be32 addr[4])
{
	struct service_addr_key key;
	struct service_addr *row;

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	row = bpf_map_lookup_elem(&service_addrs, &key);
	return row && (row->flags & (FRONTEND_CLUSTER_IP | FRONTEND_LOAD_BALANCER)) &&
	       !node_addr_find(addr);
}

static __noinline int unserved_echo4(ctx_t *ctx, const struct pkt *p)
{
	return unserved_answers_ping(p->tuple.daddr) ? answer_echo(ctx, false, p) : VERDICT_PASS;
}

static __noinline int unserved_echo6(ctx_t *ctx, const struct pkt *p)
{
	return unserved_answers_ping(p->tuple.daddr) ? answer_echo(ctx, true, p) : VERDICT_PASS;
}

static __always_inline int unserved_echo(ctx_t *ctx, bool v6, const struct pkt *p)
{
	return v6 ? unserved_echo6(ctx, p) : unserved_echo4(ctx, p);
}
