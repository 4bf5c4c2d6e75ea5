// SPDX-License-Identifier: Apache-2.0
// The kernel's list of UDP sockets, one network namespace at a time, and the
// order to end one of them. Knows no process.
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <functional>

#include "endpoint.h"
#include "netlink_socket.h"

struct DiagSocket {
  uint8_t family;  // of the socket: AF_INET6 may carry IPv4
  inet_diag_sockid id;
  uint32_t inode;
  uint32_t mark;  // 0 also where the kernel does not tell

  uint64_t cookie() const { return uint64_t{id.idiag_cookie[1]} << 32 | id.idiag_cookie[0]; }
  Endpoint local() const { return endpoint(id.idiag_src, id.idiag_sport); }
  // Of a socket that is not connected: port 0.
  Endpoint peer() const { return endpoint(id.idiag_dst, id.idiag_dport); }

 private:
  Endpoint endpoint(const __be32 (&address)[4], __be16 port) const;
};

class SockDiag {
 public:
  // In the calling thread's network namespace. 0 or an errno.
  int open();
  // All of one family. 0 or an errno; ENOENT: this kernel does not list UDP.
  int listUdp(uint8_t family, const std::function<void(const DiagSocket&)>& visit);
  // What its owner does with it fails with ECONNABORTED from then on. 0 or an
  // errno; EOPNOTSUPP: this kernel cannot.
  int destroyUdp(uint8_t family, const inet_diag_sockid& id);

 private:
  NetlinkSocket socket_;
};
