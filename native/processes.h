// SPDX-License-Identifier: Apache-2.0
// What /proc tells of other processes: the network namespaces there are, and
// who holds a socket. Sees what this process may see: with a PID namespace of
// its own, only what is in that.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

struct Namespace {
  std::string path;
  ino_t inode;
};

struct Process {
  pid_t pid;
  ino_t netns;  // 0: not to be learnt
};

// Whoever has the socket open; the first that was met.
struct Holder {
  pid_t pid = 0;  // 0: nobody was found
  int fd = -1;
};

std::vector<Process> listProcesses();

// One path for each namespace: this process's own first, then those of other
// processes, then what is mounted in `directories` (`ip netns`, container
// runtimes: namespaces may have no process).
std::vector<Namespace> listNamespaces(const std::vector<Process>& processes,
                                      const std::vector<std::string>& directories);

// Looks for the sockets' inodes among the descriptors of these processes, until
// each is found. Returns how many processes would not be looked at.
size_t findHolders(const std::vector<Process>& processes,
                   std::unordered_map<uint64_t, Holder>& holders);
