/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the maps and settings part of the linked object even where no program
 * uses them, and keeps in BTF what no map's type refers to.
 */
#include "config.h"
#include "maps.h"

#define KEEP(name) const volatile enum name keep_##name = 0

KEEP(proto);
KEEP(set_word);
KEEP(set_mode);
KEEP(slot_geometry);
KEEP(frontend_flags);
KEEP(backend_flags);
KEEP(flow_flags);
KEEP(flow_state);
KEEP(node_addr_flags);
KEEP(iface_flags);
KEEP(control_flags);
KEEP(client_kind);
KEEP(drop_reason);
KEEP(sweep_outcome);

const volatile struct slot_block keep_slot_block = {};
const volatile struct sweep_request keep_sweep_request = {};
const volatile struct sweep_entry keep_sweep_entry = {};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
