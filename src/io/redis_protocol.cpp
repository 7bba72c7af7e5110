#include "agw/io/redis_protocol.h"

#include <array>
#include <charconv>
#include <new>
#include <utility>

#include <hiredis/read.h>

namespace agw {
namespace {

// hiredis counts an array's elements by int (0.14) or size_t (1.x).
template <class Function>
struct ElementCount;
template <class R, class Task, class Count>
struct ElementCount<R (*)(Task, Count)> {
  using Type = Count;
};
using Elements = ElementCount<decltype(redisReplyObjectFunctions::createArray)>::Type;

}  // namespace

// hiredis' reader calls back to build each object; the objects are RedisReply from the start, an
// array's elements already in their place, so that nothing is copied and everything is counted.
struct RedisReader::State {
  explicit State(std::size_t max_reply) : max_reply(max_reply) {
    functions.createString = create_string;
    functions.createArray = create_array;
    functions.createInteger = create_integer;
    functions.createNil = create_nil;
    functions.freeObject = free_object;
    reader = redisReaderCreateWithFunctions(&functions);
    if (reader == nullptr) throw std::bad_alloc();
    reader->privdata = this;
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { redisReaderFree(reader); }

  static State& of(const redisReadTask* task) noexcept { return *static_cast<State*>(task->privdata); }

  // Where this object belongs: in its parent's array, or as the root, which hiredis holds for us.
  static RedisReply* place(const redisReadTask* task, std::size_t cost) noexcept {
    State& state = of(task);
    cost += sizeof(RedisReply);
    if (cost > state.max_reply - state.spent) return nullptr;
    state.spent += cost;
    if (task->parent == nullptr) return new (std::nothrow) RedisReply;
    return &static_cast<RedisReply*>(task->parent->obj)->elements[static_cast<std::size_t>(task->idx)];
  }

  // What place() made but nobody can hold is given back; an element stays in its array.
  template <class Fill>
  static void* build(const redisReadTask* task, std::size_t cost, Fill fill) noexcept {
    RedisReply* reply = place(task, cost);
    if (reply == nullptr) return nullptr;
    try {
      fill(*reply);
      return reply;
    } catch (...) {
      if (task->parent == nullptr) delete reply;
      return nullptr;
    }
  }

  static void* create_string(const redisReadTask* task, char* bytes, std::size_t size) noexcept {
    return build(task, size, [&](RedisReply& reply) {
      reply.type = task->type == REDIS_REPLY_ERROR ? RedisReply::Type::error : RedisReply::Type::text;
      reply.text.assign(bytes, size);
    });
  }

  static void* create_array(const redisReadTask* task, Elements count) noexcept {
    const auto elements = static_cast<std::size_t>(count);
    State& state = of(task);
    // An element costs at least an object: a header that promises more than fits is refused before
    // memory is asked for.
    if (elements > (state.max_reply - state.spent) / sizeof(RedisReply)) return nullptr;
    return build(task, 0, [&](RedisReply& reply) {
      reply.type = RedisReply::Type::array;
      reply.elements.resize(elements);
    });
  }

  static void* create_integer(const redisReadTask* task, long long value) noexcept {
    return build(task, 0, [&](RedisReply& reply) {
      reply.type = RedisReply::Type::integer;
      reply.integer = value;
    });
  }

  static void* create_nil(const redisReadTask* task) noexcept {
    return build(task, 0, [](RedisReply&) {});
  }

  static void free_object(void* root) noexcept { delete static_cast<RedisReply*>(root); }

  redisReplyObjectFunctions functions{};
  redisReader* reader = nullptr;
  std::size_t max_reply;
  std::size_t spent = 0;
};

void append_command(std::string& out, const RedisCommand& command) {
  std::array<char, 24> digits{};
  const auto header = [&](char kind, std::size_t number) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out += kind;
    out.append(digits.data(), end);
    out += "\r\n";
  };
  header('*', command.size());
  for (const std::string& part : command) {
    header('$', part.size());
    out += part;
    out += "\r\n";
  }
}

RedisReader::RedisReader(std::size_t max_reply) : state_(std::make_unique<State>(max_reply)) {}
RedisReader::~RedisReader() = default;

bool RedisReader::feed(std::string_view bytes) {
  redisReader* reader = state_->reader;
  // A bulk string is kept here until it is whole.
  if (reader->len - reader->pos > state_->max_reply) return false;
  return redisReaderFeed(reader, bytes.data(), bytes.size()) == REDIS_OK;
}

Result<std::optional<RedisReply>, RedisError> RedisReader::next() {
  void* root = nullptr;
  if (redisReaderGetReply(state_->reader, &root) != REDIS_OK) return fail(RedisError::protocol);
  if (root == nullptr) return std::nullopt;
  const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(root));
  state_->spent = 0;
  return std::optional<RedisReply>(std::move(*reply));
}

}  // namespace agw
