/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings that are constants to a loaded program: the verifier drops the
 * branches that they rule out, so one object fits every kernel. The agent sets
 * them before load; the texts become their documentation.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define SETTING(type, name, initial, doc) const volatile type name __weak TAG("doc:" doc) = initial

SETTING(__u8, cfg_has_set_retval, 0,
	"1 where bpf_set_retval may be called from sock_addr programs (Linux 6.1): refusals carry "
	"their errno; 0: EPERM");
SETTING(__u8, cfg_has_coarse_clock, 0,
	"1 where bpf_ktime_get_coarse_ns exists (Linux 5.11); 0: bpf_ktime_get_ns");
SETTING(__u8, cfg_has_netns_cookie, 0,
	"1 where bpf_get_netns_cookie may be called from sock_addr programs (Linux 5.7)");
SETTING(__u64, cfg_host_netns, 0,
	"Cookie of the node's network namespace, whose loopback carries NodePorts; 0: the initial "
	"namespace");
SETTING(__u16, cfg_snat_port_min, 49152,
	"First source port used towards backends on other nodes, host order");
SETTING(__u16, cfg_snat_port_count, 16384, "How many source ports from the first on");
