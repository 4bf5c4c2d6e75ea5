/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who asks, and may they: decides between a frontend's two sets, and whether
 * source ranges let a client in. Knows addresses and interfaces, no packet.
 */
#pragma once

#include "svc.h"

static __always_inline struct control *control_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline __u32 control_flags(void)
{
	struct control *row = control_row();

	return row ? row->flags : 0;
}

static __always_inline __u32 iface_flags(__u32 ifindex)
{
	struct iface_key key = { .ifindex = ifindex };
	struct iface *row = bpf_map_lookup_elem(&ifaces, &key);

	return row ? row->flags : 0;
}

/* kube-proxy's local traffic detector: by address or by the interface it came in. */
static __always_inline bool client_is_local_pod(__u32 ifindex, const __be32 addr[4])
{
	struct control *row = control_row();
	const __be32 *prefix, *mask;

	if (!row)
		return false;
	if (row->flags & CONTROL_LOCAL_BY_IFACE)
		return iface_flags(ifindex) & IFACE_LOCAL_POD;
	if (addr_is_v4(addr))
		return row->local4_mask && (addr[3] & row->local4_mask) == row->local4;
	prefix = (const __be32 *)row->local6;
	mask = (const __be32 *)row->local6_mask;
	return mask[0] && (addr[0] & mask[0]) == prefix[0] && (addr[1] & mask[1]) == prefix[1] &&
	       (addr[2] & mask[2]) == prefix[2] && (addr[3] & mask[3]) == prefix[3];
}

/* Pods and the host itself are led to the cluster list whatever externalTrafficPolicy says. */
static __always_inline __u32 client_set(const struct frontend *fe, __u32 ifindex,
					const __be32 addr[4])
{
	if (fe->set_internal == fe->set_external)
		return fe->set_external;
	if (client_is_local_pod(ifindex, addr) || node_addr_find(addr))
		return fe->set_internal;
	return fe->set_external;
}

static __always_inline bool client_in_ranges(__u32 service, const __be32 addr[4])
{
	struct source_range_key key = { .prefixlen = 32 + 128, .service = service };

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&source_ranges, &key);
}
