// SPDX-License-Identifier: Apache-2.0
// Probes load a tiny program or make a map, look at the answer and let go of
// it. Nothing stays loaded, nothing is attached in a namespace that is in use.
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "args.h"
#include "errors.h"
#include "fd.h"
#include "thread.h"

namespace {

constexpr Attempt kLoad{"probe.program", "load", "a probe program"};
constexpr size_t kLogSize = 64 * 1024;

struct Probe {
  Fd program;
  int error = 0;
  std::string log;
};

struct ProgramSpec {
  uint32_t type = 0;
  uint32_t expectedAttachType = 0;
  std::vector<bpf_insn> instructions;
};

Probe load(const ProgramSpec& spec) {
  std::vector<char> log(kLogSize, '\0');
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = static_cast<bpf_attach_type>(spec.expectedAttachType);
  options.log_level = 1;
  options.log_buf = log.data();
  options.log_size = kLogSize;
  Probe probe;
  probe.program = Fd(bpf_prog_load(static_cast<bpf_prog_type>(spec.type), "bpfsvc_probe", "GPL",
                                   spec.instructions.data(), spec.instructions.size(), &options));
  if (!probe.program.valid()) probe.error = errno;
  probe.log = log.data();
  return probe;
}

// No rights, no answer: that says nothing about the kernel.
Probe loadOrRefuse(Napi::Env env, const ProgramSpec& spec) {
  Probe probe = load(spec);
  if (probe.error == EPERM) Fail(env, kLoad, EPERM);
  return probe;
}

ProgramSpec programSpec(const Args& args, const Napi::Object& object) {
  ProgramSpec spec;
  spec.type = args.toU32(object.Get("type"), "type");
  const Napi::Value attachType = object.Get("expectedAttachType");
  if (!attachType.IsUndefined())
    spec.expectedAttachType = args.toU32(attachType, "expectedAttachType");
  const Bytes bytes = args.toBytes(object.Get("instructions"), "instructions");
  if (bytes.size == 0 || bytes.size % sizeof(bpf_insn) != 0) {
    args.refuse("instructions",
                "has " + std::to_string(bytes.size) + " bytes, not a multiple of 8");
  }
  spec.instructions.resize(bytes.size / sizeof(bpf_insn));
  std::memcpy(spec.instructions.data(), bytes.data, bytes.size);
  return spec;
}

bool isJited(const Fd& program) {
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  return bpf_obj_get_info_by_fd(program.get(), &info, &length) == 0 && info.jited_prog_len > 0;
}

Napi::Value ProbeProgram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Args args(info, kLoad);
  const Probe probe = loadOrRefuse(env, programSpec(args, args.object(0, "spec")));
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("ok", probe.program.valid());
  answer.Set("jited", probe.program.valid() && isJited(probe.program));
  answer.Set("log", probe.log);
  return answer;
}

Napi::Value ProbeProgramType(const Napi::CallbackInfo& info) {
  const Attempt attempt{"probe.programType", "probe", "a program type"};
  const Args args(info, attempt);
  const int result =
      libbpf_probe_bpf_prog_type(static_cast<bpf_prog_type>(args.u32(0, "type")), nullptr);
  // EOPNOTSUPP: a type that libbpf does not know either.
  if (result < 0 && result != -EOPNOTSUPP) Fail(info.Env(), attempt, result);
  return Napi::Boolean::New(info.Env(), result == 1);
}

Napi::Value ProbeMapType(const Napi::CallbackInfo& info) {
  const Attempt attempt{"probe.mapType", "probe", "a map type"};
  const Args args(info, attempt);
  const int result =
      libbpf_probe_bpf_map_type(static_cast<bpf_map_type>(args.u32(0, "type")), nullptr);
  if (result < 0 && result != -EOPNOTSUPP) Fail(info.Env(), attempt, result);
  return Napi::Boolean::New(info.Env(), result == 1);
}

// Not libbpf_probe_bpf_helper: before 1.5 it does not know how kernels from
// 6.10 on refuse a helper, and calls everything available.
Napi::Value ProbeHelper(const Napi::CallbackInfo& info) {
  const Attempt attempt{"probe.helper", "probe", "a helper"};
  const Args args(info, attempt);
  ProgramSpec spec;
  spec.type = args.u32(0, "programType");
  const auto helper = static_cast<int32_t>(args.u32(1, "helper"));
  if (args.has(2)) spec.expectedAttachType = args.u32(2, "expectedAttachType");
  bpf_insn call{};
  call.code = BPF_JMP | BPF_CALL;
  call.imm = helper;
  bpf_insn zero{};
  zero.code = BPF_ALU64 | BPF_MOV | BPF_K;
  bpf_insn exit{};
  exit.code = BPF_JMP | BPF_EXIT;
  spec.instructions = {call, zero, exit};
  const Probe probe = loadOrRefuse(info.Env(), spec);
  // The verifier looks at the arguments only of a helper that it knows.
  bool known = true;
  for (const std::string_view refusal :
       {"unknown func ", "invalid func ", "program of this type cannot use helper "}) {
    if (probe.log.find(refusal) != std::string::npos) known = false;
  }
  // Refused without a word: the program type itself is unknown.
  if (!probe.program.valid() && probe.log.empty()) known = false;
  return Napi::Boolean::New(info.Env(), known);
}

// The error of creating a link and letting go of it at once; 0: it was there.
int tryLink(const Fd& program, int where, uint32_t attachType) {
  const Fd link(
      bpf_link_create(program.get(), where, static_cast<bpf_attach_type>(attachType), nullptr));
  return link.valid() ? 0 : errno;
}

// probeLink(spec, attachType, where): where is an ifindex or a descriptor; with
// 'loopback' the loopback interface of a network namespace made for the purpose.
// '' or the code of the error; which error means what, the caller knows.
Napi::Value ProbeLink(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"probe.link", "try", "a link"};
  const Args args(info, attempt);
  const ProgramSpec spec = programSpec(args, args.object(0, "spec"));
  const uint32_t attachType = args.u32(1, "attachType");
  const Probe probe = loadOrRefuse(env, spec);
  if (!probe.program.valid()) return Napi::String::New(env, ErrnoName(probe.error));
  int error = 0;
  if (info[2].IsString()) {
    if (args.string(2, "where") != "loopback")
      args.refuse("where", "is neither 'loopback' nor a number");
    error = OnOwnThread([&] {
      if (unshare(CLONE_NEWNET) != 0) return errno;
      return tryLink(probe.program, 1, attachType);
    });
  } else {
    if (!info[2].IsNumber()) args.refuse("where", "is neither 'loopback' nor a number");
    error = tryLink(probe.program, info[2].As<Napi::Number>().Int32Value(), attachType);
  }
  return Napi::String::New(env, error == 0 ? "" : ErrnoName(error));
}

// The error of putting a filter on a loopback interface that exists for this
// alone; 0: it worked.
int tryClsact(const Fd& program) {
  if (unshare(CLONE_NEWNET) != 0) return errno;
  LIBBPF_OPTS(bpf_tc_hook, hook);
  hook.ifindex = 1;
  hook.attach_point = BPF_TC_INGRESS;
  int error = bpf_tc_hook_create(&hook);
  if (error != 0) return -error;
  LIBBPF_OPTS(bpf_tc_opts, options);
  options.handle = 1;
  options.priority = 1;
  options.prog_fd = program.get();
  error = bpf_tc_attach(&hook, &options);
  return -error;
}

// probeClsact(spec): '' or the code of the error.
Napi::Value ProbeClsact(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"probe.clsact", "try", "a tc filter"};
  const Args args(info, attempt);
  const Probe probe = loadOrRefuse(env, programSpec(args, args.object(0, "spec")));
  const int error =
      probe.program.valid() ? OnOwnThread([&] { return tryClsact(probe.program); }) : probe.error;
  return Napi::String::New(env, error == 0 ? "" : ErrnoName(error));
}

// By the system call itself, because libbpf raises the limit. 0 or an errno.
int makeArray() {
  bpf_attr create{};
  create.map_type = BPF_MAP_TYPE_ARRAY;
  create.key_size = sizeof(uint32_t);
  create.value_size = sizeof(uint64_t);
  create.max_entries = 1;
  const Fd map(static_cast<int>(syscall(__NR_bpf, BPF_MAP_CREATE, &create, sizeof(create))));
  return map.valid() ? 0 : errno;
}

// What bounds the memory of maps: 'cgroup'; or the limit on locked memory, and
// then whether this process may raise it ('limit'), or not ('fixed').
Napi::Value ProbeMapMemory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"probe.mapMemory", "probe", "the accounting of map memory"};
  rlimit before{};
  if (getrlimit(RLIMIT_MEMLOCK, &before) != 0) Fail(env, attempt, errno);
  const auto makeArrayWithin = [](const rlimit& limit) {
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? makeArray() : errno;
  };
  const int without = makeArrayWithin({0, before.rlim_max});
  const int raised = without == EPERM ? makeArrayWithin({RLIM_INFINITY, RLIM_INFINITY}) : without;
  const int unchanged = raised == EPERM ? makeArrayWithin(before) : raised;
  if (setrlimit(RLIMIT_MEMLOCK, &before) != 0) Fail(env, attempt, errno);
  // Refused whatever the limit: for want of rights, which is no answer.
  if (unchanged != 0) Fail(env, attempt, unchanged);
  const char* bound = without == 0 ? "cgroup" : raised == 0 ? "limit" : "fixed";
  return Napi::String::New(env, bound);
}

Napi::Value KernelHasFunction(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"probe.function", "read", "the kernel's BTF"};
  const Args args(info, attempt);
  const std::string name = args.string(0, "name");
  struct btf* btf = btf__load_vmlinux_btf();
  // Without BTF no program can call into the kernel: as good as not there.
  if (btf == nullptr && (errno == ENOENT || errno == ESRCH)) return Napi::Boolean::New(env, false);
  if (btf == nullptr) Fail(env, attempt, errno);
  const int id = btf__find_by_name_kind(btf, name.c_str(), BTF_KIND_FUNC);
  btf__free(btf);
  return Napi::Boolean::New(env, id > 0);
}

}  // namespace

void InitProbe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeProgramType", Napi::Function::New(env, ProbeProgramType, "probeProgramType"));
  exports.Set("probeMapType", Napi::Function::New(env, ProbeMapType, "probeMapType"));
  exports.Set("probeHelper", Napi::Function::New(env, ProbeHelper, "probeHelper"));
  exports.Set("probeProgram", Napi::Function::New(env, ProbeProgram, "probeProgram"));
  exports.Set("probeLink", Napi::Function::New(env, ProbeLink, "probeLink"));
  exports.Set("probeClsact", Napi::Function::New(env, ProbeClsact, "probeClsact"));
  exports.Set("probeMapMemory", Napi::Function::New(env, ProbeMapMemory, "probeMapMemory"));
  exports.Set("kernelHasFunction",
              Napi::Function::New(env, KernelHasFunction, "kernelHasFunction"));
}
