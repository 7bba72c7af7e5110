// Completions and the manual page: they name what the parser knows.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agwctl/command_line.h"
#include "agwctl/failure.h"
#include "agwctl/manual.h"

namespace agw::agwctl {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string printed(std::vector<const char*> words) {
  words.insert(words.begin(), "agwctl");
  std::ostringstream out;
  EXPECT_EQ(CommandLine(out).run(static_cast<int>(words.size()), words.data()), exit_ok);
  return out.str();
}

TEST(AgwctlManual, every_command_is_in_all_of_them) {
  for (const auto& text :
       {printed({"completion", "bash"}), printed({"completion", "zsh"}), printed({"man"}), printed({"--help"})})
    for (const char* command :
         {"check", "apply", "export", "grant", "elevate", "revoke", "disconnect", "connect", "breaker", "store",
          "explain", "agents", "users", "test", "lint", "audit", "status", "completion", "man"})
      EXPECT_THAT(text, HasSubstr(command));
}

TEST(AgwctlManual, options_are_told_with_what_they_take) {
  const std::string man = printed({"man"});
  EXPECT_THAT(man, HasSubstr(".SS agwctl store confirm\n"));
  EXPECT_THAT(man, HasSubstr(".SS agwctl who\\-can OPERATION [RESOURCE]\n"));
  EXPECT_THAT(man, HasSubstr(".SS agwctl revoke WHAT [VALUE...]\n"));
  EXPECT_THAT(man, HasSubstr("\\fB\\-\\-author\\fR, \\fB\\-\\-by\\fR \\fINAME\\fR\n"));
  EXPECT_THAT(man, HasSubstr("\\fB\\-\\-for\\fR \\fISPAN\\fR\nhow long, as 30m, 1h or 2d (needed)"));
  EXPECT_THAT(man, HasSubstr(".SH EXIT STATUS\n"));
  EXPECT_THAT(man, Not(HasSubstr("\n'")));
  EXPECT_THAT(printed({"completion", "bash"}), HasSubstr("'store confirm') options='"));
  EXPECT_THAT(printed({"completion", "zsh"}), HasSubstr("_agwctl_store_confirm() {"));
}

}  // namespace
}  // namespace agw::agwctl
