// SPDX-License-Identifier: Apache-2.0
#include "udp_reconnect.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fd.h"

namespace {

// Another process's descriptor as ours, or the errno (pidfd_getfd: Linux 5.6).
Fd take(const Holder& holder, int* error) {
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, holder.pid, 0)));
  Fd taken;
  if (process.valid())
    taken = Fd(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), holder.fd, 0)));
  *error = taken.valid() ? 0 : errno;
  return taken;
}

template <typename Value>
bool option(int fd, int name, Value* value) {
  socklen_t length = sizeof(*value);
  return getsockopt(fd, SOL_SOCKET, name, value, &length) == 0;
}

bool localOf(int fd, Endpoint* local) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  *local = Endpoint::from(address);
  return true;
}

// Port 0: it is not connected.
Endpoint peerOf(int fd) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return Endpoint::from(address);
}

int connectTo(int fd, int domain, const Endpoint& peer) {
  sockaddr_storage address;
  const socklen_t length = peer.to(domain, &address);
  return connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 ? 0 : errno;
}

// Takes peer and source away; what else the kernel takes with them is given back.
int forgetSource(int fd, int domain) {
  Endpoint before;
  Endpoint after;
  int device = 0;
  const bool bound = option(fd, SO_BINDTOIFINDEX, &device) && device != 0;
  if (!localOf(fd, &before)) return errno;
  sockaddr_storage nobody{};
  nobody.ss_family = AF_UNSPEC;
  if (connect(fd, reinterpret_cast<sockaddr*>(&nobody), sizeof(nobody)) != 0) return errno;
  if (bound) setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device));
  if (!localOf(fd, &after) || after.port == before.port) return 0;
  // The port had been chosen by the kernel. If somebody was quicker, it chooses another.
  after.port = before.port;
  sockaddr_storage address;
  const socklen_t length = after.to(domain, &address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) return 0;
  return 0;
}

}  // namespace

ReconnectResult Reconnect(const Reconnection& wanted) {
  int error = 0;
  const Fd fd = take(wanted.holder, &error);
  if (error == ESRCH || error == EBADF) return {Reconnected::kGone, error};
  if (error != 0) return {Reconnected::kDenied, error};
  uint64_t cookie = 0;
  int domain = 0;
  if (!option(fd.get(), SO_COOKIE, &cookie) || cookie != wanted.cookie ||
      !option(fd.get(), SO_DOMAIN, &domain)) {
    return {Reconnected::kGone, 0};
  }
  const auto& from = wanted.from;
  if (std::find(from.begin(), from.end(), peerOf(fd.get())) == from.end()) {
    return {Reconnected::kElsewhere, 0};
  }
  if (wanted.newSource) error = forgetSource(fd.get(), domain);
  if (error == 0) error = connectTo(fd.get(), domain, wanted.to);
  if (error != 0) {
    if (wanted.newSource) connectTo(fd.get(), domain, wanted.restore);
    return {Reconnected::kRefused, error};
  }
  // An ICMP error that the old peer left behind is no news of the new one.
  option(fd.get(), SO_ERROR, &error);
  return {Reconnected::kDone, 0};
}
