// Commands of agwctl as functions, over files of a test's own.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "agwctl/command_line.h"
#include "agwctl/failure.h"

namespace agw::test {

struct AgwctlCommands : testing::Test {
  AgwctlCommands() : folder(std::filesystem::temp_directory_path() / ("agwctl-q-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~AgwctlCommands() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  }
  /// What the command prints; `status` is expected. A Failure's sentence, where it ends with one.
  std::string said(int status, std::vector<std::string> words) {
    words.insert(words.begin(), "agwctl");
    std::vector<const char*> argv;
    for (const auto& word : words) argv.push_back(word.c_str());
    std::ostringstream out;
    try {
      EXPECT_EQ(agwctl::CommandLine(out).run(static_cast<int>(argv.size()), argv.data()), status) << out.str();
      return out.str();
    } catch (const agwctl::Failure& failure) {
      EXPECT_EQ(failure.status(), status) << failure.what();
      return failure.what();
    }
  }
  /// The same of `store`.
  std::string asked(int status, std::vector<std::string> words) {
    words.insert(words.end(), {"--store", store});
    return said(status, std::move(words));
  }

  std::filesystem::path folder;
  std::string store;
};

}  // namespace agw::test
