// SPDX-License-Identifier: Apache-2.0
#include "processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "fd.h"

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// False: not a decimal number.
template <typename Number>
bool parseNumber(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

// 0: not there, or not ours to see.
ino_t inodeOf(const std::string& path) {
  struct stat found{};
  return stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

// `ip netns add` makes a plain file first, and mounts the namespace on it then.
bool isNamespace(const std::string& path) {
  struct statfs found{};
  return statfs(path.c_str(), &found) == 0 && found.f_type == NSFS_MAGIC;
}

// 0: the descriptor is no socket.
uint64_t socketInode(int directory, const char* fd) {
  char target[64];
  const ssize_t length = readlinkat(directory, fd, target, sizeof(target));
  if (length < 0) return 0;
  constexpr std::string_view kPrefix = "socket:[";
  std::string_view text(target, static_cast<size_t>(length));
  if (text.size() <= kPrefix.size() || text.substr(0, kPrefix.size()) != kPrefix) return 0;
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(1);
  uint64_t inode = 0;
  return parseNumber(text, &inode) ? inode : 0;
}

}  // namespace

std::vector<Process> listProcesses() {
  std::vector<Process> processes;
  const Directory proc(opendir("/proc"));
  if (!proc) return processes;
  while (const dirent* entry = readdir(proc.get())) {
    pid_t pid = 0;
    if (!parseNumber(std::string_view(entry->d_name), &pid)) continue;
    processes.push_back({pid, inodeOf("/proc/" + std::to_string(pid) + "/ns/net")});
  }
  return processes;
}

std::vector<Namespace> listNamespaces(const std::vector<Process>& processes,
                                      const std::vector<std::string>& directories) {
  std::vector<Namespace> namespaces;
  std::unordered_set<ino_t> known{0};
  const auto add = [&](std::string path, ino_t inode) {
    if (known.insert(inode).second) namespaces.push_back({std::move(path), inode});
  };
  add("/proc/self/ns/net", inodeOf("/proc/self/ns/net"));
  for (const Process& process : processes) {
    add("/proc/" + std::to_string(process.pid) + "/ns/net", process.netns);
  }
  for (const std::string& name : directories) {
    const Directory directory(opendir(name.c_str()));
    if (!directory) continue;
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      std::string path = name + "/" + entry->d_name;
      if (!isNamespace(path)) continue;
      const ino_t inode = inodeOf(path);
      add(std::move(path), inode);
    }
  }
  return namespaces;
}

size_t findHolders(const std::vector<Process>& processes,
                   std::unordered_map<uint64_t, Holder>& holders) {
  size_t missing = 0;
  for (const auto& [inode, holder] : holders) missing += holder.pid == 0 ? 1 : 0;
  size_t hidden = 0;
  for (const Process& process : processes) {
    if (missing == 0) break;
    const Directory fds(opendir(("/proc/" + std::to_string(process.pid) + "/fd").c_str()));
    if (!fds) {
      if (errno != ENOENT) hidden++;
      continue;
    }
    while (const dirent* entry = readdir(fds.get())) {
      int fd = 0;
      if (!parseNumber(std::string_view(entry->d_name), &fd)) continue;
      const auto found = holders.find(socketInode(dirfd(fds.get()), entry->d_name));
      if (found == holders.end() || found->second.pid != 0) continue;
      found->second = {process.pid, fd};
      missing--;
    }
  }
  return hidden;
}
