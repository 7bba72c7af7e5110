#include "structure.h"

#include <algorithm>
#include <bit>
#include <new>

#include <simdjson.h>

namespace agw::json {
namespace {

constexpr std::size_t smallest_capacity = 4096;
/// Room that is kept for the next text; what a larger one needed is given back.
constexpr std::size_t kept_capacity = 1U << 20;

Error error_of(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR: return Error::utf8;
    case simdjson::CAPACITY: return Error::too_large;
    // As every other allocation that fails: nothing is wrong with the text.
    case simdjson::MEMALLOC: throw std::bad_alloc();
    default: return Error::invalid;
  }
}

}  // namespace

struct Structure::Kernel {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;

  simdjson::error_code make_room(std::size_t size) {
    const std::size_t wanted = std::bit_ceil(std::max(size, smallest_capacity));
    if (!stages) {
      // The depth is what its second stage would need; that one isn't used.
      return simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, 1, stages);
    }
    const bool too_small = stages->capacity() < size;
    const bool too_large = stages->capacity() > kept_capacity && wanted <= kept_capacity;
    return too_small || too_large ? stages->set_capacity(wanted) : simdjson::SUCCESS;
  }
};

Structure::Structure() : kernel_(std::make_unique<Kernel>()) {}
Structure::~Structure() = default;

Result<std::span<const std::uint32_t>, Error> Structure::find(std::string_view text) {
  if (auto code = kernel_->make_room(text.size())) return fail(error_of(code));
  auto& stages = *kernel_->stages;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  if (auto code = stages.stage1(bytes, text.size(), simdjson::stage1_mode::regular)) return fail(error_of(code));
  return std::span<const std::uint32_t>(stages.structural_indexes.get(), stages.n_structural_indexes);
}

}  // namespace agw::json
