// SPDX-License-Identifier: Apache-2.0
// What can be set between open and load: variables, sizes, maps taken over
// from before, programs left out.
#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "map.h"
#include "object.h"

namespace {

struct Variable {
  std::string section;
  size_t offset;
  size_t size;
};

// Looks through the data sections that the object's BTF describes.
std::optional<Variable> FindVariable(const struct btf* btf, const std::string& name) {
  const uint32_t types = btf == nullptr ? 0 : btf__type_cnt(btf);
  for (uint32_t id = 1; id < types; id++) {
    const struct btf_type* section = btf__type_by_id(btf, id);
    if (!btf_is_datasec(section)) continue;
    const struct btf_var_secinfo* entry = btf_var_secinfos(section);
    for (uint32_t i = 0; i < btf_vlen(section); i++, entry++) {
      const struct btf_type* variable = btf__type_by_id(btf, entry->type);
      if (!btf_is_var(variable) || name != btf__name_by_offset(btf, variable->name_off)) continue;
      return Variable{btf__name_by_offset(btf, section->name_off), entry->offset, entry->size};
    }
  }
  return std::nullopt;
}

void Compare(std::string* differences, const char* what, uint32_t wanted, uint32_t present) {
  if (wanted == present) return;
  if (!differences->empty()) differences->append(", ");
  differences->append(what).append(" ").append(std::to_string(present));
  differences->append(" instead of ").append(std::to_string(wanted));
}

}  // namespace

struct bpf_object* BpfObject::unloaded(Napi::Env env, const Attempt& attempt) const {
  struct bpf_object* object = open(env, attempt);
  if (state_ == State::kLoaded) FailArgument(env, attempt, "the object is loaded already");
  if (state_ == State::kFailed)
    FailArgument(env, attempt, "loading has failed; open the object again");
  return object;
}

const std::pair<const std::string, struct bpf_map*>& BpfObject::findMap(const Args& args,
                                                                        const Attempt& attempt,
                                                                        size_t i) const {
  const std::string name = args.string(i, "map");
  const auto found = maps_.find(name);
  if (found == maps_.end()) {
    Fail(args.env(), attempt, {ENOENT, "it has no map " + name, "", std::nullopt, std::nullopt});
  }
  return *found;
}

struct bpf_program* BpfObject::findProgram(const Args& args, const Attempt& attempt,
                                           size_t i) const {
  const std::string name = args.string(i, "program");
  struct bpf_program* program = bpf_object__find_program_by_name(object_.get(), name.c_str());
  if (program == nullptr) {
    Fail(args.env(), attempt,
         {ENOENT, "it has no program " + name, "", std::nullopt, std::nullopt});
  }
  return program;
}

Napi::Value BpfObject::setVariable(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setVariable", "set a variable of object", name_};
  struct bpf_object* object = unloaded(info.Env(), attempt);
  const Args args(info, attempt);
  const std::string name = args.string(0, "name");
  const auto variable = FindVariable(bpf_object__btf(object), name);
  const auto section = variable ? maps_.find(variable->section) : maps_.end();
  size_t room = 0;
  uint8_t* memory = nullptr;
  // Maps themselves and kernel configuration are variables to BTF, without memory to set.
  if (section != maps_.end() && variable->section != ".kconfig") {
    memory =
        static_cast<uint8_t*>(const_cast<void*>(bpf_map__initial_value(section->second, &room)));
  }
  if (memory == nullptr || variable->offset + variable->size > room) {
    Fail(info.Env(), attempt,
         {ENOENT, "it has no variable " + name, "", std::nullopt, std::nullopt});
  }
  const Bytes bytes = args.bytes(1, "value", variable->size, ("variable " + name + " has").c_str());
  std::copy(bytes.data, bytes.data + bytes.size, memory + variable->offset);
  return info.Env().Undefined();
}

Napi::Value BpfObject::setMaxEntries(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setMaxEntries", "resize a map of object", name_};
  unloaded(info.Env(), attempt);
  const Args args(info, attempt);
  struct bpf_map* map = findMap(args, attempt, 0).second;
  const int err = bpf_map__set_max_entries(map, args.u32(1, "entries"));
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfObject::reuseMap(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.reuseMap", "take over a map into object", name_};
  unloaded(info.Env(), attempt);
  const Args args(info, attempt);
  struct bpf_map* map = findMap(args, attempt, 0).second;
  const BpfMap& present = BpfMap::unwrap(args, info[1], "replacement");
  const int fd = BpfMap::descriptor(args, info[1], "replacement");
  // libbpf would take over whatever it is given, and the verifier would then
  // reject programs for accesses that are right by the source.
  std::string differences;
  Compare(&differences, "type", bpf_map__type(map), present.shape().type);
  Compare(&differences, "key size", bpf_map__key_size(map), present.shape().keySize);
  Compare(&differences, "value size", bpf_map__value_size(map), present.shape().valueSize);
  Compare(&differences, "max entries", bpf_map__max_entries(map), present.shape().maxEntries);
  Compare(&differences, "flags", bpf_map__map_flags(map), present.shape().flags);
  if (!differences.empty()) {
    FailArgument(info.Env(), attempt, "map " + present.name() + " does not fit: " + differences);
  }
  if (const int err = bpf_map__reuse_fd(map, fd); err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}

Napi::Value BpfObject::setAutoload(const Napi::CallbackInfo& info) {
  const Attempt attempt{"object.setAutoload", "choose the programs of object", name_};
  unloaded(info.Env(), attempt);
  const Args args(info, attempt);
  struct bpf_program* program = findProgram(args, attempt, 0);
  const int err = bpf_program__set_autoload(program, args.boolean(1, "on"));
  if (err < 0) Fail(info.Env(), attempt, err);
  return info.Env().Undefined();
}
