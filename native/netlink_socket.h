// SPDX-License-Identifier: Apache-2.0
// A raw netlink socket: asks for dumps, receives datagrams. It checks who
// speaks and to which request; what the messages say is netlink_parse's, or
// sock_diag's.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "fd.h"

class NetlinkSocket {
 public:
  using Visit = std::function<void(const nlmsghdr&)>;

  // In the calling thread's network namespace. protocol: NETLINK_ROUTE or
  // another; groups: bits of RTMGRP_*. 0 or an errno.
  int open(int protocol, uint32_t groups, int receiveBuffer);

  // Visits every message of one dump of `type` (RTM_GET*), of all families; of
  // routes those of one table, 0 for all. 0 or an errno;
  // EINTR: the kernel's tables moved underneath, what was visited is not whole
  // and has to be asked for again; EPROTO: an answer to something else.
  int dump(uint16_t type, uint8_t table, const Visit& visit);
  // The same with a request of the caller's, who fills in type, length and body.
  int dump(nlmsghdr* request, const Visit& visit);
  // A request that is only acknowledged. 0 or the errno of the answer.
  int order(nlmsghdr* request);

  // Visits the messages of one datagram that has already arrived. 0 or an
  // errno; EAGAIN: none there; ENOBUFS: some were lost.
  int receive(const Visit& visit);

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  int send(nlmsghdr* request, uint16_t flags);
  int read(int flags, size_t* length);

  Fd fd_;
  uint32_t port_ = 0;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};
