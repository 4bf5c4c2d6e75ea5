/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an address, port and protocol to a frontend, and from its set and a
 * hash to one backend. Knows no packet and no socket: both paths decide here.
 */
#pragma once

#include "config.h"
#include "hash.h"
#include "maps.h"

#define IN6_MAPPED_PREFIX bpf_htonl(0xffff)

static __always_inline bool addr_is_v4(const __be32 addr[4])
{
	return addr[0] == 0 && addr[1] == 0 && addr[2] == IN6_MAPPED_PREFIX;
}

/* 127.0.0.0/8, ::1, and the unspecified addresses, which mean the same to connect(). */
static __always_inline bool addr_is_loopback(const __be32 addr[4])
{
	if (addr[0] != 0 || addr[1] != 0)
		return false;
	if (addr[2] == IN6_MAPPED_PREFIX)
		return (addr[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000) || addr[3] == 0;
	return addr[2] == 0 && (addr[3] == bpf_htonl(1) || addr[3] == 0);
}

static __always_inline struct frontend *svc_lookup(const __be32 addr[4], __be16 port, __u8 proto)
{
	struct frontend_key key = { .port = port, .proto = proto };

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&frontends, &key);
}

/* A NodePort is one row for all node addresses of a family; whether addr is one, the caller says. */
static __always_inline struct frontend *svc_lookup_node_port(const __be32 addr[4], __be16 port,
							     __u8 proto)
{
	__be32 any[4] = { 0, 0, addr_is_v4(addr) ? IN6_MAPPED_PREFIX : 0, 0 };

	return svc_lookup(any, port, proto);
}

static __always_inline struct node_addr *node_addr_find(const __be32 addr[4])
{
	struct node_addr_key key;

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&node_addrs, &key);
}

static __always_inline bool node_addr_has_node_ports(const __be32 addr[4])
{
	struct node_addr *row = node_addr_find(addr);

	return row && (row->flags & NODE_ADDR_NODE_PORT);
}

/* An address of the Services' ranges: whatever has no frontend there is refused. */
static __always_inline bool svc_in_ranges(const __be32 addr[4])
{
	struct service_range_key key = { .prefixlen = 128 };

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&service_ranges, &key);
}

static __always_inline bool backend_is_free(const struct backend *b)
{
	const __u64 *words = (const __u64 *)b->addr;

	return words[0] == 0 && words[1] == 0;
}

static __always_inline struct backend *backend_find(__u32 id)
{
	struct backend *row = bpf_map_lookup_elem(&backends, &id);

	return row && !backend_is_free(row) ? row : 0;
}

/* A set's word is read once: whatever is flipped meanwhile, first slot, count
 * and mode belong together, and the slots stay until an RCU grace period has
 * passed. No such set: SET_REJECT. */
static __always_inline __u64 set_read(__u32 set)
{
	__u64 *row = bpf_map_lookup_elem(&sets, &set);

	return row ? *(volatile __u64 *)row : 0;
}

static __always_inline __u32 word_first(__u64 word)
{
	return word >> SET_FIRST_SHIFT;
}

static __always_inline __u32 word_count(__u64 word)
{
	return (word >> SET_COUNT_SHIFT) & ((1 << SET_COUNT_BITS) - 1);
}

static __always_inline enum set_mode word_mode(__u64 word)
{
	return (word >> SET_MODE_SHIFT) & ((1 << SET_MODE_BITS) - 1);
}

/* An even slot is followed by the next in the same memory. */
static __always_inline __u32 *slot_find(__u32 slot)
{
	__u32 block = slot / SLOTS_PER_BLOCK, segment = block / BLOCKS_PER_SEGMENT;
	struct slot_block *row;
	void *inner;

	inner = bpf_map_lookup_elem(&slots, &segment);
	if (!inner)
		return 0;
	block %= BLOCKS_PER_SEGMENT;
	row = bpf_map_lookup_elem(inner, &block);
	return row ? &row->backend[slot % SLOTS_PER_BLOCK] : 0;
}

/* A global function: the verifier walks it once for each program. */
__weak __noinline int conns_add(__u32 service, __u32 backend, __u32 opened, int active)
{
	struct pair_key key = { .service = service, .backend = backend };
	struct conns *row = bpf_map_lookup_elem(&conns, &key);

	if (!row) {
		struct conns zero = {};

		bpf_map_update_elem(&conns, &key, &zero, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&conns, &key);
		if (!row) /* map full: the connection matters more than its count */
			return 0;
	}
	if (opened)
		__sync_fetch_and_add(&row->opened, opened);
	if (active)
		__sync_fetch_and_add(&row->active, active);
	return 0;
}
