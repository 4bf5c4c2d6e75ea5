/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every drop has a reason, and every reason is counted here and nowhere else. */
#pragma once

#include "maps.h"

static __always_inline void drop_count(enum drop_reason reason, __u32 bytes)
{
	__u32 index = reason;
	struct drop_count *row = bpf_map_lookup_elem(&drops, &index);

	if (!row)
		return;
	/* per CPU, and softirq does not nest: no atomics */
	row->packets++;
	row->bytes += bytes;
}
