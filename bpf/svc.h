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

struct choice {
	enum set_mode mode; /* SET_HASH: id and backend are set, unless stale */
	__u32 id;
	struct backend *backend;
};

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

static __always_inline bool node_addr_has_node_ports(const __be32 addr[4])
{
	struct node_addr_key key;
	struct node_addr *row;

	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	row = bpf_map_lookup_elem(&node_addrs, &key);
	return row && (row->flags & NODE_ADDR_NODE_PORT);
}

static __always_inline bool backend_is_free(const struct backend *b)
{
	const __u64 *words = (const __u64 *)b->addr;

	return words[0] == 0 && words[1] == 0;
}

/*
 * Reads the set's word once: whatever is flipped meanwhile, first slot, count
 * and mode belong together, and the slots stay until an RCU grace period has
 * passed.
 */
static __always_inline void svc_choose(__u32 set, __u32 hash, struct choice *choice)
{
	__u32 first, count, slot, segment, block;
	struct slot_block *slots_of_block;
	__u64 *row, word;
	void *inner;

	choice->mode = SET_REJECT;
	choice->backend = 0;
	choice->id = 0;
	row = bpf_map_lookup_elem(&sets, &set);
	if (!row)
		return;
	word = *(volatile __u64 *)row;
	choice->mode = (word >> SET_MODE_SHIFT) & ((1 << SET_MODE_BITS) - 1);
	if (choice->mode != SET_HASH)
		return;

	first = word >> SET_FIRST_SHIFT;
	count = (word >> SET_COUNT_SHIFT) & ((1 << SET_COUNT_BITS) - 1);
	slot = first + hash_scale(hash, count);
	block = slot / SLOTS_PER_BLOCK;
	segment = block / BLOCKS_PER_SEGMENT;
	block %= BLOCKS_PER_SEGMENT;
	inner = bpf_map_lookup_elem(&slots, &segment);
	if (!inner)
		return;
	slots_of_block = bpf_map_lookup_elem(inner, &block);
	if (!slots_of_block)
		return;
	choice->id = slots_of_block->backend[slot % SLOTS_PER_BLOCK];
	choice->backend = bpf_map_lookup_elem(&backends, &choice->id);
	if (choice->backend && backend_is_free(choice->backend))
		choice->backend = 0;
}

static __always_inline void conns_count(__u32 service, __u32 backend)
{
	struct pair_key key = { .service = service, .backend = backend };
	struct conns *row = bpf_map_lookup_elem(&conns, &key);

	if (!row) {
		struct conns zero = {};

		bpf_map_update_elem(&conns, &key, &zero, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&conns, &key);
		if (!row) /* map full: the connection matters more than its count */
			return;
	}
	__sync_fetch_and_add(&row->opened, 1);
}
