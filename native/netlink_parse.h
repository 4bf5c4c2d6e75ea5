// SPDX-License-Identifier: Apache-2.0
// One rtnetlink message as a plain JavaScript object (NetlinkRecord in
// src/kernel/netlink-records.ts). Says what the kernel said; judges nothing.
#pragma once

#include <linux/netlink.h>
#include <napi.h>

// Undefined: a message that is no statement about a link, an address, a route
// or a neighbour of IPv4 or IPv6.
Napi::Value ParseNetlinkMessage(Napi::Env env, const nlmsghdr& message);
