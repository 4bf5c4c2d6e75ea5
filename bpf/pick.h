/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The algorithms by which a set's slots are read, as their users know them from
 * IPVS.
 */
#pragma once

#include "hash.h"
#include "svc.h"

/* Those that look at every member look at so many of them. */
#define PICK_MEMBERS_MAX 128

struct pick_member {
	__u32 id;
	__u32 weight;
	__u64 load;
};

/* Memory beside the stack, which the callers need; and the verifier, which
 * follows every value on the stack, sees that one turn of a loop is like the next. */
struct pick_scratch {
	struct pair_key key;
	struct pick_member best;
	struct pick_member next;
	__u32 at;
	__u32 members;
	__u64 extra; /* the new connection counts, too */
	__u64 extra_if_busy;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pick_scratch));
} pick_scratch __weak SEC(".maps") TAG("private");

/* A pair begins at an even slot, so that both halves lie in one block. Without
 * branches where it can be: each would double the verifier's work. */
static __always_inline bool pick_read(struct pick_scratch *s, __u32 slot,
				      struct pick_member *member)
{
	__u32 *pair = slot_find(slot & ~1);
	struct traffic *ended;
	struct conns *conn;
	__s64 load = 0;

	if (!pair)
		return false;
	member->id = pair[0];
	member->weight = pair[1];
	s->key.backend = member->id;
	conn = bpf_map_lookup_elem(&conns, &s->key);
	if (conn)
		load = conn->active;
	ended = bpf_map_lookup_elem(&traffic, &s->key);
	if (ended)
		load -= ended->lost;
	load &= ~(load >> 63); /* at least 0 */
	member->load = load + s->extra + (s->extra_if_busy & ((__u64)-load >> 63));
	return true;
}

/* The smaller of load / weight, without a division. */
static __always_inline bool pick_is_less(const struct pick_member *a, const struct pick_member *b)
{
	return a->load * b->weight < b->load * a->weight;
}

static __always_inline __u32 pick_turn(__u32 set, __u32 count)
{
	__u32 *turn = bpf_map_lookup_elem(&turns, &set);
	__u32 now;

	if (!turn || !count)
		return 0;
	/* not one step: only Linux 5.12 can add and fetch. Two CPUs at once may get the same turn. */
	now = *(volatile __u32 *)turn;
	__sync_fetch_and_add(turn, 1);
	return now % count;
}

static __always_inline __u32 pick_two(struct pick_scratch *s, __u32 first, __u32 members)
{
	__u32 i = hash_scale(bpf_get_prandom_u32(), members);
	__u32 j = hash_scale(bpf_get_prandom_u32(), members - 1);

	if (j >= i) /* two different ones, where there are two */
		j++;
	if (!pick_read(s, first + 2 * i, &s->best))
		return 0;
	if (members < 2 || !pick_read(s, first + 2 * j, &s->next))
		return s->best.id;
	return pick_is_less(&s->next, &s->best) ? s->next.id : s->best.id;
}

/* Of equals the first, from one that is next in turn: idle backends would otherwise leave all to one. */
static __always_inline __u32 pick_least(struct pick_scratch *s, __u32 set, __u32 first,
					__u32 members)
{
	volatile __u32 *at = &s->at, *end = &s->members;
	__u32 i;

	s->at = pick_turn(set, members);
	s->members = members;
	s->best.id = 0;
	s->best.load = 1;
	s->best.weight = 0; /* more than any */
	for (i = 0; i < PICK_MEMBERS_MAX && i < *end; i++) {
		if (!pick_read(s, first + 2 * *at, &s->next))
			break;
		if (pick_is_less(&s->next, &s->best))
			s->best = s->next;
		*at = *at + 1;
		if (*at >= *end)
			*at = 0;
	}
	return s->best.id;
}

static __always_inline __u32 pick_by_load(__u32 service, __u32 set, __u32 mode, __u32 first,
					  __u32 members)
{
	__u32 zero = 0;
	struct pick_scratch *s = bpf_map_lookup_elem(&pick_scratch, &zero);

	if (!s)
		return 0;
	s->key.service = service;
	s->extra = mode == SET_SED;
	s->extra_if_busy = mode == SET_NQ;
	return mode == SET_TWO ? pick_two(s, first, members) : pick_least(s, set, first, members);
}

/*
 * The id of a backend, or 0. hash: of whatever the set's mode goes by. A global
 * function: the verifier walks it once for each program, not once for each
 * state that its callers can be in.
 */
__weak __noinline __u32 pick(__u64 word, __u32 service, __u32 set, __u32 hash)
{
	__u32 first = word_first(word), count = word_count(word), mode = word_mode(word);
	__u32 *slot;

	if (mode >= SET_TWO)
		return pick_by_load(service, set, mode, first, count / 2);
	if (mode == SET_RANDOM)
		hash = bpf_get_prandom_u32();
	slot = slot_find(first +
			 (mode == SET_TURN ? pick_turn(set, count) : hash_scale(hash, count)));
	return slot ? *slot : 0;
}
