// SPDX-License-Identifier: Apache-2.0
#include "udp_find.h"

#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fd.h"

namespace {

// Asks the routing of the thread's namespace by connecting a socket like it. To
// port 0: no Service has that, so that no hook leads it elsewhere.
bool chooseSource(const DiagSocket& like, Endpoint* source) {
  Endpoint peer = like.peer();
  peer.port = 0;
  const int domain = peer.isV4() ? AF_INET : AF_INET6;
  const Fd probe(socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!probe.valid()) return false;
  const int device = static_cast<int>(like.id.idiag_if);
  if (device != 0 &&
      setsockopt(probe.get(), SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device)) != 0) {
    return false;
  }
  if (like.mark != 0 &&
      setsockopt(probe.get(), SOL_SOCKET, SO_MARK, &like.mark, sizeof(like.mark)) != 0) {
    return false;
  }
  sockaddr_storage address;
  socklen_t length = peer.to(domain, &address);
  if (connect(probe.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return false;
  length = sizeof(address);
  if (getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  *source = Endpoint::from(address);
  return true;
}

// In the thread's namespace. 0 or an errno.
int listWanted(const std::unordered_set<uint64_t>& cookies, const std::string& path,
               std::vector<FoundSocket>& found) {
  SockDiag diag;
  int error = diag.open();
  const size_t before = found.size();
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (error != 0) break;
    error = diag.listUdp(family, [&](const DiagSocket& socket) {
      if (cookies.count(socket.cookie()) == 0) return;
      FoundSocket one;
      one.socket = socket;
      one.netns = path;
      found.push_back(std::move(one));
    });
  }
  for (size_t i = before; i < found.size(); i++) {
    if (found[i].socket.peer().port == 0) continue;
    found[i].hasSource = chooseSource(found[i].socket, &found[i].source);
  }
  return error;
}

// Those first that live where the sockets are: nearly always one of them holds it.
void addHolders(const std::vector<Process>& processes, const std::unordered_set<ino_t>& likely,
                std::vector<FoundSocket>& sockets) {
  std::unordered_map<uint64_t, Holder> holders;
  for (const FoundSocket& one : sockets) holders.emplace(one.socket.inode, Holder());
  std::vector<Process> neighbours;
  std::vector<Process> others;
  for (const Process& process : processes) {
    (likely.count(process.netns) != 0 ? neighbours : others).push_back(process);
  }
  findHolders(neighbours, holders);
  findHolders(others, holders);
  for (FoundSocket& one : sockets) one.holder = holders[one.socket.inode];
}

}  // namespace

int FindUdpSockets(const std::unordered_set<uint64_t>& cookies,
                   const std::vector<std::string>& directories, UdpSearch& search) {
  const std::vector<Process> processes = listProcesses();
  std::unordered_set<ino_t> likely;
  for (const Namespace& one : listNamespaces(processes, directories)) {
    if (search.sockets.size() >= cookies.size()) break;
    const size_t before = search.sockets.size();
    const Fd netns(open(one.path.c_str(), O_RDONLY | O_CLOEXEC));
    int error = 0;
    if (!netns.valid() || setns(netns.get(), CLONE_NEWNET) != 0) {
      error = errno;
      // Its last process may have ended.
      if (error == ENOENT || error == ESRCH) continue;
    } else {
      error = listWanted(cookies, one.path, search.sockets);
    }
    // Not of this namespace alone: this kernel does not list UDP sockets.
    if (error == ENOENT || error == EPROTONOSUPPORT || error == EAFNOSUPPORT) return error;
    if (error != 0) {
      search.hiddenNamespaces++;
      search.hiddenError = error;
    }
    if (search.sockets.size() > before) likely.insert(one.inode);
  }
  addHolders(processes, likely, search.sockets);
  return 0;
}
