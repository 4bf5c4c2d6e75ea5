// SPDX-License-Identifier: Apache-2.0
#include "netlink_socket.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace {

// The kernel fills at most 32 KiB of a dump per read; a notification is one message.
constexpr size_t kBufferSize = 64 * 1024;
// Missing in Debian 12's headers (Linux 5.14).
constexpr uint32_t kSkipStats = 1 << 3;

// The fixed header that each request type has; strict checking wants it whole
// and zero where it does not filter.
struct Request {
  nlmsghdr header;
  union {
    ifinfomsg link;
    ifaddrmsg address;
    rtmsg route;
    ndmsg neighbour;
  } body;
  char attributes[RTA_SPACE(sizeof(uint32_t))];
};

void append(Request& request, uint16_t type, uint32_t value) {
  rtattr attribute{};
  attribute.rta_type = type;
  attribute.rta_len = RTA_LENGTH(sizeof(value));
  char* end = reinterpret_cast<char*>(&request) + NLMSG_ALIGN(request.header.nlmsg_len);
  std::memcpy(end, &attribute, sizeof(attribute));
  std::memcpy(end + RTA_LENGTH(0), &value, sizeof(value));
  request.header.nlmsg_len = NLMSG_ALIGN(request.header.nlmsg_len) + RTA_SPACE(sizeof(value));
}

// 0 or the errno that the kernel ends a dump or a request with.
int ending(const nlmsghdr& message) {
  int error = 0;
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(error))) return EPROTO;
  std::memcpy(&error, NLMSG_DATA(&message), sizeof(error));
  return -error;
}

}  // namespace

int NetlinkSocket::open(int protocol, uint32_t groups, int receiveBuffer) {
  fd_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd_.valid()) return errno;
  const int on = 1;
  // Refused before Linux 4.20: the kernel then ignores filters, the visitor sees more.
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  if (receiveBuffer > 0 && setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receiveBuffer,
                                      sizeof(receiveBuffer)) != 0) {
    // Without CAP_NET_ADMIN the system's limit applies: overruns come sooner, and are reported.
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof(receiveBuffer));
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return errno;
  socklen_t length = sizeof(address);
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return errno;
  port_ = address.nl_pid;
  buffer_.resize(kBufferSize);
  return 0;
}

int NetlinkSocket::send(nlmsghdr* request, uint16_t flags) {
  request->nlmsg_flags = NLM_F_REQUEST | flags;
  request->nlmsg_seq = ++sequence_;
  request->nlmsg_pid = port_;
  return ::send(fd_.get(), request, request->nlmsg_len, 0) < 0 ? errno : 0;
}

int NetlinkSocket::read(int flags, size_t* length) {
  sockaddr_nl sender{};
  iovec io{buffer_.data(), buffer_.size()};
  msghdr message{};
  message.msg_name = &sender;
  message.msg_namelen = sizeof(sender);
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  for (;;) {
    const ssize_t received = recvmsg(fd_.get(), &message, flags);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return errno;
    // A datagram that was cut is as good as lost.
    if ((message.msg_flags & MSG_TRUNC) != 0) return ENOBUFS;
    // Any process may write to our port; only the kernel is port 0.
    if (sender.nl_pid != 0) continue;
    *length = static_cast<size_t>(received);
    return 0;
  }
}

int NetlinkSocket::dump(uint16_t type, uint8_t table, const Visit& visit) {
  Request request{};
  request.header.nlmsg_type = type;
  switch (type) {
    case RTM_GETLINK:
      request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ifinfomsg));
      append(request, IFLA_EXT_MASK, kSkipStats);
      break;
    case RTM_GETADDR:
      request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ifaddrmsg));
      break;
    case RTM_GETROUTE:
      request.header.nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg));
      request.body.route.rtm_table = table;
      break;
    default:
      request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ndmsg));
      break;
  }
  return dump(&request.header, visit);
}

int NetlinkSocket::dump(nlmsghdr* request, const Visit& visit) {
  int error = send(request, NLM_F_DUMP);
  bool interrupted = false;
  while (error == 0) {
    size_t length = 0;
    error = read(0, &length);
    if (error != 0) break;
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
    for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_seq != sequence_ || message->nlmsg_pid != port_) return EPROTO;
      if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
        error = ending(*message);
        return error == 0 && interrupted ? EINTR : error;
      }
      if (!interrupted) visit(*message);
    }
  }
  return error;
}

int NetlinkSocket::order(nlmsghdr* request) {
  size_t length = 0;
  int error = send(request, NLM_F_ACK);
  if (error == 0) error = read(0, &length);
  if (error != 0) return error;
  const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer_.data());
  if (!NLMSG_OK(answer, length) || answer->nlmsg_type != NLMSG_ERROR ||
      answer->nlmsg_seq != sequence_) {
    return EPROTO;
  }
  return ending(*answer);
}

int NetlinkSocket::receive(const Visit& visit) {
  size_t length = 0;
  const int error = read(MSG_DONTWAIT, &length);
  if (error != 0) return error;
  const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
  for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) visit(*message);
  return 0;
}
