// SPDX-License-Identifier: Apache-2.0
// Runs a piece of work on a thread that ends with it. For what must not touch
// the namespaces of the threads that JavaScript and libuv use: a namespace
// belongs to a thread, and a borrowed thread would carry it on.
#pragma once

#include <system_error>
#include <thread>

// What `work` returns (0 or an errno), or why there is no thread to run it on.
template <typename Work>
int OnOwnThread(const Work& work) {
  int result = 0;
  try {
    std::thread([&] { result = work(); }).join();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return result;
}
