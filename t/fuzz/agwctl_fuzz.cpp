// What agwctl does with two states of a tenant's keys: the changes turn one into the other, and what is shown of them
// can't drive a terminal. As in redis_records_fuzz, the two states divided by a line `--`.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "agwctl/keys.h"
#include "agwctl/printable.h"
#include "support/claims.h"

namespace {

using namespace agw;
using fuzz::expect;

agwctl::Keys take_keys(std::string_view& text) {
  agwctl::Keys out;
  grants::Fields* fields = nullptr;
  while (!text.empty()) {
    const std::string_view line = fuzz::take_line(text);
    if (line == "--") break;
    if (!line.starts_with(' ')) {
      fields = &out[std::string(line)];
    } else if (const std::size_t equals = line.find('='); fields != nullptr && equals != std::string_view::npos) {
      fields->emplace(line.substr(1, equals - 1), line.substr(equals + 1));
    }
  }
  // Redis has no empty hashes.
  std::erase_if(out, [](const auto& entry) { return entry.second.empty(); });
  return out;
}

void expect_shown(std::string_view text) {
  for (char c : text) expect((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\n', "no control character");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  expect_shown(agwctl::printable(text.substr(0, text.find('\n'))));
  const agwctl::Keys before = take_keys(text);
  const agwctl::Keys after = take_keys(text);
  const auto changes = agwctl::changes_between(before, after);
  expect_shown(agwctl::describe(changes, before));

  const std::string prefix = grants::policy_key("default", "");
  agwctl::Keys state = before;
  for (const RedisCommand& command : agwctl::commands_for("default", changes)) {
    expect(command.size() >= 2 && command[1].starts_with(prefix), "a command is about a key of the tenant's");
    const std::string name = command[1].substr(prefix.size());
    if (command[0] == "DEL") {
      state.erase(name);
      continue;
    }
    expect(command.size() > 2, "a command changes something");
    for (std::size_t i = 2; i < command.size(); i += command[0] == "HSET" ? 2 : 1) {
      if (command[0] == "HSET") state[name][command[i]] = command.at(i + 1);
      if (command[0] == "HDEL") state[name].erase(command[i]);
    }
  }
  agwctl::Keys wanted = after;
  // What was pulled by hand stays what it was, whatever a policy file says; but of a tier that it drops.
  for (const auto& [name, fields] : before) {
    if (!wanted.contains(name) && name.starts_with("tier:")) continue;
    for (const auto& field : fields)
      if (grants::is_pulled_by_hand(name, field.first)) wanted[name].emplace(field);
  }
  expect(state == wanted, "the changes make of one state the other");
  return 0;
}
