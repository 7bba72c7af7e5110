#include "trip.h"

#include <span>
#include <utility>

#include "agw/grants/sentinel.h"

namespace agw::grants {
namespace {

StoreFailure unavailable(std::string detail) { return {Reason::store_unavailable, std::move(detail)}; }

/// Nobody has answered. Who answered with a refusal, or in another language, may be another than the one that was
/// asked.
bool is_silence(RedisError error) {
  return error == RedisError::connect || error == RedisError::timeout || error == RedisError::closed;
}

/// At the end of the trip, once more; meta alone is of one version.
bool asks_version(const Trip& trip) { return !trip.meta || !trip.wants.empty(); }

std::vector<RedisCommand> commands_of(const Trip& trip, bool look, bool role) {
  std::vector<RedisCommand> out;
  if (look) out = server_questions();
  const std::string meta = policy_key(trip.tenant, "meta");
  if (trip.meta) out.push_back({"HGETALL", meta});
  for (const Want& want : trip.wants) {
    out.push_back(command_of(want));
    if (trip.ends) out.push_back({"PTTL", want.key});
  }
  if (asks_version(trip)) out.push_back({"HGET", meta, "version"});
  // At the end: what was a master then was one before.
  if (role) out.push_back({"ROLE"});
  return out;
}

/// `what` is empty where nothing is wrong with the key.
void complain(Complaints* complaints, const std::string& key, std::string_view what, std::string_view so) {
  if (complaints == nullptr) return;
  if (what.empty()) return complaints->whole(key);
  complaints->broken(key, what, so);
}

std::optional<Milliseconds> time_left(const RedisReply& reply) {
  if (reply.type != RedisReply::Type::integer) return Milliseconds(0);
  if (reply.integer < 0) return std::nullopt;
  return Milliseconds(reply.integer);
}

}  // namespace

Decoded<Meta> required_meta(std::string_view tenant, const RedisReply& reply) {
  const std::string key = policy_key(tenant, "meta");
  const auto fields = read_fields(key, reply);
  if (!fields) return fail(fields.error());
  auto meta = read_meta(key, *fields);
  if (!meta) return fail(std::move(meta.error()));
  if (!*meta) return fail(CodecError{"key " + key + " is missing"});
  return **std::move(meta);
}

Task<Result<TripAnswer, StoreFailure>> travel(Asking asking, Trip trip) {
  const std::uint64_t before = asking.redis.connection();
  const SteadyTime sent = asking.server != nullptr ? asking.clock->moment() : SteadyTime();
  const bool look = asking.server != nullptr && asking.server->due(before, sent);
  const bool role = asking.server != nullptr && asking.server->fails_over();
  auto commands = commands_of(trip, look, role);
  const std::size_t asked = commands.size();
  auto going = asking.redis.pipeline(std::move(commands));
  const auto replies = co_await std::move(going);
  if (!replies) {
    StoreFailure failure = unavailable(std::string(to_string(replies.error())));
    failure.unreached = is_silence(replies.error());
    co_return fail(std::move(failure));
  }
  if (replies->size() != asked) co_return fail(unavailable("an answer is missing"));

  TripAnswer out;
  std::size_t at = 0;
  const std::uint64_t after = asking.redis.connection();
  if (look) {
    const auto said = std::span(*replies).first(server_answers);
    out.another_server = asking.server->take(read_server(said), before, after, sent);
    at += server_answers;
  } else if (asking.server != nullptr) {
    out.believable = asking.server->known(after);
  }
  if (role && !is_master(replies->back())) asking.server->depose();
  if (asking.server != nullptr && !asking.server->fault().empty()) co_return fail(unavailable(asking.server->fault()));
  if (trip.meta) {
    auto meta = required_meta(trip.tenant, (*replies)[at++]);
    complain(asking.complaints, policy_key(trip.tenant, "meta"), meta ? std::string_view() : meta.error().detail,
             "all calls of its tenant are denied");
    // Nothing else counts without meta: every absence could be a loss.
    if (!meta) co_return fail(StoreFailure{Reason::store_uninitialised, std::move(meta.error().detail)});
    out.meta = *std::move(meta);
  }
  for (const Want& want : trip.wants) {
    out.records.push_back(read_record(want, (*replies)[at++], trip.questions));
    complain(asking.complaints, want.key, out.records.back()->broken, "what depends on it is denied");
    if (trip.ends) out.left.push_back(time_left((*replies)[at++]));
  }
  if (!asks_version(trip)) {
    out.version = std::to_string(out.meta->version);
  } else if ((*replies)[at].type == RedisReply::Type::text) {
    out.version = (*replies)[at].text;
  }
  co_return out;
}

}  // namespace agw::grants
