// What an expression is compiled to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agw/model/condition.h"
#include "agw/model/network.h"
#include "agw/model/window.h"

namespace agw {

enum class ConditionOp : std::uint8_t {
  // What comes to a Truth. `left` and `right` are nodes, `item` a place in one of the program's lists.
  constant,        ///< number: 0 or 1
  flag,            ///< item: argument
  variable_truth,  ///< item: variable; nginx's own rule: neither empty nor "0"
  has,             ///< item: argument
  both,
  either,
  negation,      ///< left
  same_truth,
  other_truth,
  same_text,
  other_text,
  same_number,
  other_number,
  less,
  at_most,
  in_texts,     ///< left, item: list of texts
  in_numbers,   ///< left, item: list of numbers
  in_groups,    ///< left
  in_networks,  ///< item: list of networks
  within,       ///< item: window
  starts_with,  ///< left, item: text
  ends_with,
  contains,
  // Texts.
  text,           ///< item: text
  field,          ///< item: CallField
  argument_text,  ///< item: argument
  variable_text,  ///< item: variable
  // Numbers.
  number,
  argument_number,  ///< item: argument
  variable_number,  ///< item: variable
  size,             ///< left
  weekday,          ///< item: zone
  clock,            ///< item: zone
  authentication_age
};

struct ConditionNode {
  ConditionOp op;
  std::uint16_t left = 0;
  std::uint16_t right = 0;
  std::uint16_t item = 0;
  std::int64_t number = 0;
};

struct Condition::Program {
  std::vector<ConditionNode> nodes;
  std::uint16_t root = 0;
  std::vector<std::string> texts;
  std::vector<std::vector<std::string>> text_lists;
  std::vector<std::vector<std::int64_t>> number_lists;
  std::vector<std::vector<Network>> networks;
  std::vector<Window> windows;
  std::vector<std::shared_ptr<const TimeZone>> zones;
  std::vector<ArgumentPath> arguments;
  std::vector<CallField> fields;
  std::vector<HostVariable> variables;
  bool asks_authentication_age = false;
};

}  // namespace agw
