/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps. All are written by the agent unless a comment says otherwise, and
 * all are pinned, so that traffic goes on without it. Sizes given here are
 * defaults; the agent may set others before load.
 *
 * Weak, because every object that is linked into bpfsvc.bpf.o includes them.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* Address, port, protocol -> service and its two sets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} frontends __weak SEC(".maps");

/* One word a set (enum set_word), flipped by one atomic store. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, __u64);
} sets __weak SEC(".maps");

struct slot_segment {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BLOCKS_PER_SEGMENT);
	/* sizes, not types: clang leaves only a forward declaration of an inner
	 * map's value in BTF, which the linker then cannot size */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct slot_block));
};

/* Segments of slots; a set's slots lie in one segment, from a block's start. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SLOT_SEGMENTS);
	__type(key, __u32);
	__array(values, struct slot_segment);
} slots __weak SEC(".maps") TAG("inner_value:slot_block");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct backend);
} backends __weak SEC(".maps");

/* Names of services by id, for dumps and for the restart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct service);
} services __weak SEC(".maps");

/* What answers to ping, and whose other ports are refused. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct service_addr_key);
	__type(value, struct service_addr);
} service_addrs __weak SEC(".maps");

/* Where Services get their addresses from: what has no frontend there is refused, never routed. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct service_range_key);
	__type(value, struct service_range);
} service_ranges __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct source_range_key);
	__type(value, struct source_range);
} source_ranges __weak SEC(".maps");

/* Written by the programs: which backend a client of a service had last. When
 * full, the clients that have been away longest go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} affinity __weak SEC(".maps");

/* Written by the programs; expired rows are swept by the agent. When full,
 * the least recently used rows go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct flow4_key);
	__type(value, struct flow4);
} flows4 __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct flow6_key);
	__type(value, struct flow6);
} flows6 __weak SEC(".maps");

/* Written by the programs, removed when the socket is released. When full, a
 * new socket still connects, but getpeername() shows its backend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct socket_key);
	__type(value, struct socket);
} sockets __weak SEC(".maps");

/* Written by the programs: whom an unconnected UDP socket believes to talk to. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct udp_peer_key);
	__type(value, struct udp_peer);
} udp_peers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct node_addr_key);
	__type(value, struct node_addr);
} node_addrs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct iface_key);
	__type(value, struct iface);
} ifaces __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct netns_key);
	__type(value, struct netns_opt_out);
} netns_opt_outs __weak SEC(".maps");

/* Written by the programs: how often a set was asked whose backends take turns. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, __u32);
} turns __weak SEC(".maps");

/* Written by the programs, per service and backend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct pair_key);
	__type(value, struct conns);
} conns __weak SEC(".maps");

/* Folded by the agent from the flows that it sweeps. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct pair_key);
	__type(value, struct traffic);
} traffic __weak SEC(".maps");

/* Written by the programs, by enum drop_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS);
	__type(key, __u32);
	__type(value, struct drop_count);
} drops __weak SEC(".maps") TAG("key_enum:drop_reason");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct udp_moves);
} udp_moves __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control __weak SEC(".maps");
