// SPDX-License-Identifier: Apache-2.0
// objectLayout(path): BTF of an ELF object as plain JavaScript data (types in
// src/kernel/layout.ts). Reports types as they are written in C: the outermost typedef survives,
// because __be16 and __u16 differ in nothing else.

#include "btf.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "args.h"
#include "errors.h"

namespace {

struct BtfDeleter {
  void operator()(struct btf* btf) const { btf__free(btf); }
};
using BtfPtr = std::unique_ptr<struct btf, BtfDeleter>;

/** A type without its const, volatile and tags: what one needs to read or write a value of it. */
struct Description {
  std::string kind;
  std::string type;
  std::optional<std::string> typedefName;
  std::optional<uint32_t> arrayLength;
};

class LayoutReader {
 public:
  LayoutReader(Napi::Env env, const struct btf* btf) : env_(env), btf_(btf) { collectTags(); }

  Napi::Object read() {
    auto structs = Napi::Array::New(env_);
    auto enums = Napi::Array::New(env_);
    auto maps = Napi::Array::New(env_);
    auto variables = Napi::Array::New(env_);
    for (uint32_t id = 1; id < btf__type_cnt(btf_); id++) {
      const btf_type* type = btf__type_by_id(btf_, id);
      if (btf_is_composite(type) && type->name_off != 0) {
        append(structs, readStruct(id, type));
      } else if (btf_is_any_enum(type) && type->name_off != 0) {
        append(enums, readEnum(type));
      } else if (btf_is_datasec(type)) {
        readSection(type, maps, variables);
      }
    }
    auto layout = Napi::Object::New(env_);
    layout["structs"] = structs;
    layout["enums"] = enums;
    layout["maps"] = maps;
    layout["variables"] = variables;
    return layout;
  }

 private:
  static void append(Napi::Array& array, Napi::Value value) { array[array.Length()] = value; }

  const char* name(const btf_type* type) const { return btf__name_by_offset(btf_, type->name_off); }

  /** Tags hang on a type and one of its members, or on the type as a whole (-1). */
  void collectTags() {
    for (uint32_t id = 1; id < btf__type_cnt(btf_); id++) {
      const btf_type* type = btf__type_by_id(btf_, id);
      if (!btf_is_decl_tag(type)) continue;
      tags_[{type->type, btf_decl_tag(type)->component_idx}].emplace_back(name(type));
    }
  }

  Napi::Array tags(uint32_t id, int component) const {
    auto array = Napi::Array::New(env_);
    auto found = tags_.find({id, component});
    if (found == tags_.end()) return array;
    for (const std::string& tag : found->second) append(array, Napi::String::New(env_, tag));
    return array;
  }

  Description describe(uint32_t id) const {
    Description result;
    const btf_type* type = btf__type_by_id(btf_, id);
    for (;; type = btf__type_by_id(btf_, id)) {
      if (btf_is_typedef(type)) {
        if (!result.typedefName) result.typedefName = name(type);
        id = type->type;
      } else if (btf_is_mod(type) || btf_is_type_tag(type)) {
        id = type->type;
      } else if (btf_is_array(type) && !result.arrayLength) {
        result.arrayLength = btf_array(type)->nelems;
        id = btf_array(type)->type;
      } else {
        break;
      }
    }
    spell(type, result);
    return result;
  }

  void spell(const btf_type* type, Description& result) const {
    const std::string plain = name(type);
    switch (btf_kind(type)) {
      case BTF_KIND_INT:
        result.kind = (btf_int_encoding(type) & BTF_INT_BOOL) != 0 ? "bool" : "int";
        result.type = plain;
        return;
      case BTF_KIND_STRUCT:
        result.kind = "struct";
        break;
      case BTF_KIND_UNION:
        result.kind = "union";
        break;
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        result.kind = "enum";
        break;
      case BTF_KIND_PTR:
        result.kind = "pointer";
        break;
      case BTF_KIND_ARRAY:
        result.kind = "array";
        break;
      case BTF_KIND_FLOAT:
        result.kind = "float";
        result.type = plain;
        return;
      case BTF_KIND_FWD:
        result.kind = "other";
        result.type = (btf_kflag(type) ? "union " : "struct ") + plain;
        return;
      default:
        result.kind = "other";
        break;
    }
    result.type = plain.empty() ? result.kind : result.kind + " " + plain;
  }

  void setType(Napi::Object& object, uint32_t id) const {
    const Description description = describe(id);
    // A forward declaration or a function has no size; 0 says so.
    const int64_t size = btf__resolve_size(btf_, id);
    object["size"] = Napi::Number::New(env_, size < 0 ? 0 : static_cast<double>(size));
    object["kind"] = Napi::String::New(env_, description.kind);
    object["type"] = Napi::String::New(env_, description.type);
    if (description.typedefName)
      object["typedef"] = Napi::String::New(env_, *description.typedefName);
    if (description.arrayLength)
      object["arrayLength"] = Napi::Number::New(env_, *description.arrayLength);
  }

  Napi::Object readStruct(uint32_t id, const btf_type* type) const {
    auto fields = Napi::Array::New(env_);
    const btf_member* members = btf_members(type);
    for (int i = 0; i < btf_vlen(type); i++) {
      auto field = Napi::Object::New(env_);
      const uint32_t bit = btf_member_bit_offset(type, i);
      const uint32_t bits = btf_member_bitfield_size(type, i);
      field["name"] = Napi::String::New(env_, btf__name_by_offset(btf_, members[i].name_off));
      field["offset"] = Napi::Number::New(env_, bit / 8);
      if (bits != 0) field["bits"] = Napi::Number::New(env_, bits);
      setType(field, members[i].type);
      field["tags"] = tags(id, i);
      append(fields, field);
    }
    auto object = Napi::Object::New(env_);
    object["name"] = Napi::String::New(env_, name(type));
    object["union"] = Napi::Boolean::New(env_, btf_is_union(type));
    object["size"] = Napi::Number::New(env_, type->size);
    object["fields"] = fields;
    object["tags"] = tags(id, -1);
    return object;
  }

  Napi::Object readEnum(const btf_type* type) const {
    auto values = Napi::Array::New(env_);
    for (int i = 0; i < btf_vlen(type); i++) {
      auto pair = Napi::Array::New(env_, 2);
      if (btf_is_enum64(type)) {
        const struct btf_enum64* value = btf_enum64(type) + i;
        pair[0u] = Napi::String::New(env_, btf__name_by_offset(btf_, value->name_off));
        pair[1u] = Napi::Number::New(env_, static_cast<double>(btf_enum64_value(value)));
      } else {
        const struct btf_enum* value = btf_enum(type) + i;
        const int64_t number =
            btf_kflag(type) ? int64_t{value->val} : int64_t{static_cast<uint32_t>(value->val)};
        pair[0u] = Napi::String::New(env_, btf__name_by_offset(btf_, value->name_off));
        pair[1u] = Napi::Number::New(env_, static_cast<double>(number));
      }
      append(values, pair);
    }
    auto object = Napi::Object::New(env_);
    object["name"] = Napi::String::New(env_, name(type));
    object["values"] = values;
    return object;
  }

  void readSection(const btf_type* section, Napi::Array& maps, Napi::Array& variables) const {
    const std::string sectionName = name(section);
    const btf_var_secinfo* infos = btf_var_secinfos(section);
    for (int i = 0; i < btf_vlen(section); i++) {
      const btf_type* variable = btf__type_by_id(btf_, infos[i].type);
      // A section of externs (.ksyms) lists functions too.
      if (!btf_is_var(variable)) continue;
      auto object = Napi::Object::New(env_);
      object["name"] = Napi::String::New(env_, name(variable));
      object["tags"] = tags(infos[i].type, -1);
      if (sectionName == ".maps") {
        readMap(object, variable->type);
        append(maps, object);
      } else {
        object["section"] = Napi::String::New(env_, sectionName);
        setType(object, variable->type);
        append(variables, object);
      }
    }
  }

  /** __uint(name, n) is a pointer to an array of n elements. */
  uint32_t encodedNumber(uint32_t id) const {
    const btf_type* type = skip(id);
    if (!btf_is_ptr(type)) return 0;
    type = skip(type->type);
    return btf_is_array(type) ? btf_array(type)->nelems : 0;
  }

  const btf_type* skip(uint32_t id) const {
    const btf_type* type = btf__type_by_id(btf_, id);
    while (btf_is_mod(type) || btf_is_typedef(type)) type = btf__type_by_id(btf_, type->type);
    return type;
  }

  void readMap(Napi::Object& map, uint32_t definition) const {
    const btf_type* type = skip(definition);
    for (const char* zero : {"type", "keySize", "valueSize", "maxEntries", "flags"})
      map[zero] = Napi::Number::New(env_, 0);
    map["typeName"] = Napi::String::New(env_, "");
    if (!btf_is_struct(type)) return;
    const btf_member* members = btf_members(type);
    for (int i = 0; i < btf_vlen(type); i++) {
      const std::string member = btf__name_by_offset(btf_, members[i].name_off);
      const uint32_t id = members[i].type;
      if (member == "type") readMapType(map, encodedNumber(id));
      if (member == "key_size") map["keySize"] = Napi::Number::New(env_, encodedNumber(id));
      if (member == "value_size") map["valueSize"] = Napi::Number::New(env_, encodedNumber(id));
      if (member == "max_entries") map["maxEntries"] = Napi::Number::New(env_, encodedNumber(id));
      if (member == "map_flags") map["flags"] = Napi::Number::New(env_, encodedNumber(id));
      if (member == "key") readMapSide(map, "key", id);
      if (member == "value") readMapSide(map, "value", id);
      if (member == "values") readInner(map, id);
    }
  }

  void readMapType(Napi::Object& map, uint32_t type) const {
    // NULL: newer than this libbpf.
    const char* typeName = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(type));
    map["type"] = Napi::Number::New(env_, type);
    map["typeName"] =
        Napi::String::New(env_, typeName == nullptr ? std::to_string(type) : typeName);
  }

  /** __type(key, struct x) is a pointer to the type. */
  void readMapSide(Napi::Object& map, const std::string& side, uint32_t pointer) const {
    const btf_type* type = skip(pointer);
    if (!btf_is_ptr(type)) return;
    const Description description = describe(type->type);
    const int64_t size = btf__resolve_size(btf_, type->type);
    std::string spelling = description.typedefName.value_or(description.type);
    if (description.arrayLength) spelling += "[" + std::to_string(*description.arrayLength) + "]";
    map[side + "Type"] = Napi::String::New(env_, spelling);
    map[side + "Size"] = Napi::Number::New(env_, size < 0 ? 0 : static_cast<double>(size));
  }

  /** __array(values, struct { map definition }) is an array of pointers to it; the outer value is a
   * descriptor. */
  void readInner(Napi::Object& map, uint32_t array) const {
    const btf_type* type = skip(array);
    if (!btf_is_array(type)) return;
    type = skip(btf_array(type)->type);
    if (!btf_is_ptr(type) || !btf_is_struct(skip(type->type))) return;
    auto inner = Napi::Object::New(env_);
    readMap(inner, type->type);
    map["inner"] = inner;
    map["valueSize"] = Napi::Number::New(env_, sizeof(uint32_t));
  }

  Napi::Env env_;
  const struct btf* btf_;
  std::map<std::pair<uint32_t, int>, std::vector<std::string>> tags_;
};

[[noreturn]] void FailToParse(Napi::Env env, const Attempt& attempt, const std::string& path,
                              int err) {
  Failure failure;
  failure.err = err;
  // libbpf's own errors have no errno; all of them say that this is no object file.
  if (err >= __LIBBPF_ERRNO__START) {
    failure.err = ENOEXEC;
    failure.reason = "it is not a BPF object file";
  } else if (err == ENODATA || (err == ENOENT && access(path.c_str(), F_OK) == 0)) {
    // ENOENT is how libbpf before 1.5 says it.
    failure.err = ENODATA;
    failure.reason = "it has no BTF; compile it with -g";
  }
  Fail(env, attempt, std::move(failure));
}

Napi::Value ObjectLayout(const Napi::CallbackInfo& info) {
  Attempt attempt{"object.layout", "read the types of", "an object"};
  const std::string path = Args(info, attempt).string(0, "path");
  attempt.object = path;
  BtfPtr btf(btf__parse_elf(path.c_str(), nullptr));
  if (!btf) FailToParse(info.Env(), attempt, path, errno);
  return LayoutReader(info.Env(), btf.get()).read();
}

}  // namespace

void InitBtf(Napi::Env env, Napi::Object exports) {
  exports.Set("objectLayout", Napi::Function::New(env, ObjectLayout, "objectLayout"));
}
