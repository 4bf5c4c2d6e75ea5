// SPDX-License-Identifier: Apache-2.0
// attachClsact, detachClsact, queryClsact. A filter is named by interface,
// direction, priority and handle, and stays until it is detached or the
// interface goes: it has no link that could be pinned. The qdisc is shared with
// others and never removed.
#include "clsact.h"

#include <bpf/libbpf.h>
#include <net/if.h>

#include <cerrno>
#include <string>

#include "args.h"
#include "errors.h"
#include "program.h"

namespace {

bpf_tc_hook readHook(const Args& args, size_t first) {
  LIBBPF_OPTS(bpf_tc_hook, hook);
  hook.ifindex = static_cast<int>(args.u32(first, "ifindex"));
  const std::string direction = args.string(first + 1, "direction");
  if (direction != "ingress" && direction != "egress") {
    args.refuse("direction", "is neither ingress nor egress");
  }
  hook.attach_point = direction == "ingress" ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

bpf_tc_opts readOptions(const Args& args, size_t first) {
  LIBBPF_OPTS(bpf_tc_opts, options);
  options.handle = args.u32(first, "handle");
  options.priority = args.u32(first + 1, "priority");
  // libbpf takes 0 for "choose one", and the filter could not be found again.
  if (options.handle == 0) args.refuse("handle", "is 0");
  if (options.priority == 0 || options.priority > 0xffff)
    args.refuse("priority", "is not from 1 to 65535");
  return options;
}

// "Not there" is an answer here, and libbpf would warn of it on stderr.
class Quiet {
 public:
  Quiet() : before_(libbpf_set_print(nullptr)) {}
  ~Quiet() { libbpf_set_print(before_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  libbpf_print_fn_t before_;
};

std::string interfaceName(int ifindex) {
  char name[IF_NAMESIZE];
  if (if_indextoname(static_cast<unsigned>(ifindex), name) == nullptr) {
    return "interface " + std::to_string(ifindex);
  }
  return name;
}

// No such filter, no qdisc for it to be in (EINVAL, arguments being checked),
// or no such interface any more.
bool isAbsent(int error) { return error == -ENOENT || error == -EINVAL || error == -ENODEV; }

void AttachClsact(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Attempt attempt{"clsact.attach", "attach a tc filter to", "an interface"};
  const Args args(info, attempt);
  const int program = BpfProgram::descriptor(args, info[0], "program");
  bpf_tc_hook hook = readHook(args, 1);
  bpf_tc_opts options = readOptions(args, 3);
  const std::string name = interfaceName(hook.ifindex);
  attempt.object = name;
  const Quiet quiet;
  int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) Fail(env, attempt, error);
  options.prog_fd = program;
  options.flags = BPF_TC_F_REPLACE;
  error = bpf_tc_attach(&hook, &options);
  if (error != 0) Fail(env, attempt, error);
}

Napi::Value DetachClsact(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Attempt attempt{"clsact.detach", "detach a tc filter from", "an interface"};
  const Args args(info, attempt);
  const bpf_tc_hook hook = readHook(args, 0);
  const bpf_tc_opts options = readOptions(args, 2);
  const std::string name = interfaceName(hook.ifindex);
  attempt.object = name;
  const Quiet quiet;
  const int error = bpf_tc_detach(&hook, &options);
  if (error != 0 && !isAbsent(error)) Fail(env, attempt, error);
  return Napi::Boolean::New(env, error == 0);
}

Napi::Value QueryClsact(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Attempt attempt{"clsact.query", "query a tc filter of", "an interface"};
  const Args args(info, attempt);
  const bpf_tc_hook hook = readHook(args, 0);
  bpf_tc_opts options = readOptions(args, 2);
  const std::string name = interfaceName(hook.ifindex);
  attempt.object = name;
  const Quiet quiet;
  const int error = bpf_tc_query(&hook, &options);
  if (error == 0) return Napi::Number::New(env, options.prog_id);
  if (!isAbsent(error)) Fail(env, attempt, error);
  return env.Undefined();
}

}  // namespace

void InitClsact(Napi::Env env, Napi::Object exports) {
  exports.Set("attachClsact", Napi::Function::New(env, AttachClsact, "attachClsact"));
  exports.Set("detachClsact", Napi::Function::New(env, DetachClsact, "detachClsact"));
  exports.Set("queryClsact", Napi::Function::New(env, QueryClsact, "queryClsact"));
}
