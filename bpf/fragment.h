/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 packets that leave in fragments. Only the first fragment shows ports; so
 * the source that the packet gets is noted by its identification, until the last
 * fragment has left. The stack that cuts it sends them in order, at once.
 *
 * Fragments that come in from outside are none of this: they go to the stack.
 */
#pragma once

#include "pkt.h"

struct fragment_key {
	__be32 saddr;
	__be32 daddr;
	__be16 id;
	__u8 proto;
	__u8 pad;
};

/* Nothing outlives the moment in which it is sent; a row stays only where the
 * stack has dropped the packet. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(struct fragment_key));
	__uint(value_size, sizeof(__be32));
} fragments SEC(".maps") TAG("private");

/* nth: of the packets that segmentation makes of one, which numbers them. */
static __always_inline void fragment_key(struct fragment_key *key, const struct pkt *p,
					 const struct tuple *t, __u16 nth)
{
	key->saddr = t->saddr[3];
	key->daddr = t->daddr[3];
	key->id = bpf_htons(bpf_ntohs(p->id) + nth);
	key->proto = t->proto;
	key->pad = 0;
}

/* Packets like p with the addresses of t shall leave with the source saddr. */
static __always_inline bool fragment_note(const struct pkt *p, const struct tuple *t, __u16 nth,
					  __be32 saddr)
{
	struct fragment_key key;

	fragment_key(&key, p, t, nth);
	return bpf_map_update_elem(&fragments, &key, &saddr, BPF_ANY) == 0;
}

/* The source that p shall leave with; 0: its own. */
static __always_inline __be32 fragment_source(const struct pkt *p)
{
	struct fragment_key key;
	__be32 *row, saddr;

	fragment_key(&key, p, &p->tuple, 0);
	row = bpf_map_lookup_elem(&fragments, &key);
	if (!row)
		return 0;
	saddr = *row;
	if (!(p->frag & bpf_htons(IP_MF)))
		bpf_map_delete_elem(&fragments, &key);
	return saddr;
}
