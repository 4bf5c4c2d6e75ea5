/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Session affinity: a client of a service stays with its backend until it has
 * made no new connection for the service's timeout, or the backend has left the
 * list that this connection may use. One choice for both paths.
 */
#pragma once

#include "pick.h"

/* Members of a table: at most 2^MEMBERS_BITS - 1. */
#define MEMBERS_BITS 17

/*
 * The members of a table stand behind its slots: how many, then their ids in
 * ascending order. Looks for the last one that is not above the backend, one bit
 * of its place a step; without a branch, which the verifier would follow both ways.
 * A global function, as pick(): walked once for each program.
 */
__weak __noinline int affinity_is_member(__u64 word, __u32 backend)
{
	__u32 head = word_first(word) + word_count(word), place = 0;
	__u32 *slot = slot_find(head);
	__u64 count, id;
	int bit;

	if (!slot)
		return false;
	count = *slot;
	for (bit = MEMBERS_BITS - 1; bit >= 0; bit--) {
		__u64 next = place + (1 << bit), inside, below;

		inside = (next - count - 1) >> 63; /* next <= count */
		slot = slot_find(head + inside * next);
		if (!slot)
			return false;
		id = *slot;
		below = (id - backend - 1) >> 63; /* id <= backend */
		place += (inside & below) << bit;
	}
	slot = slot_find(head + place);
	return place > 0 && slot && *slot == backend;
}

/* What a new connection gives to go by. */
struct ask {
	__u32 service;
	__u32 set;
	__u32 affinity_s;
	__u32 flow_hash;
	__u32 source_hash;
	__u32 destination_hash;
	struct affinity_key client;
};

struct choice {
	__u32 mode; /* enum set_mode */
	__u32 id;   /* of a backend, beyond SET_DROP */
};

static __always_inline __u32 choose_hash(__u64 word, const struct ask *ask)
{
	switch (word_mode(word)) {
	case SET_SOURCE:
		return ask->source_hash;
	case SET_DESTINATION:
		return ask->destination_hash;
	default:
		return ask->flow_hash;
	}
}

static __always_inline struct backend *choose_anew(__u64 word, const struct ask *ask,
						   struct choice *choice)
{
	choice->id = pick(word, ask->service, ask->set, choose_hash(word, ask));
	return backend_find(choice->id);
}

/* The backend; 0: there is none, or it is stale. */
static __always_inline struct backend *choose(const struct ask *ask, struct choice *choice)
{
	__u64 word = set_read(ask->set), now;
	struct affinity *known, row = {};
	struct backend *backend;

	choice->mode = word_mode(word);
	choice->id = 0;
	if (word_mode(word) <= SET_DROP)
		return 0;
	if (!ask->affinity_s)
		return choose_anew(word, ask, choice);
	now = bpf_ktime_get_ns();
	known = bpf_map_lookup_elem(&affinity, &ask->client);
	if (known && (word >> SET_MEMBERS_SHIFT & 1) &&
	    now - known->last_new < ask->affinity_s * 1000000000ULL &&
	    affinity_is_member(word, known->backend)) {
		choice->id = known->backend;
		known->last_new = now;
		return backend_find(choice->id);
	}
	backend = choose_anew(word, ask, choice);
	row.last_new = now;
	row.backend = choice->id;
	if (backend)
		bpf_map_update_elem(&affinity, &ask->client, &row, BPF_ANY);
	return backend;
}
