// Snapshots on a real disk, written by real children.
#include "snapshot/snapshots.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "core/state_io.h"
#include "testing/commands.h"
#include "testing/domain.h"

namespace ordergate::snapshot {
namespace {

namespace fs = std::filesystem;

using rpc::LogId;

class Folder : public ::testing::Test {
 protected:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ordergate-XXXXXX").native();
    path_ = ::mkdtemp(name.data());
    stamp_ = {0, config_digest("instruments", 0, config_), {}};
    engine_ = std::make_unique<core::Engine>(config_);
  }
  ~Folder() override { fs::remove_all(path_); }

  // One command; the frame is number `n` of the log.
  void apply(std::uint64_t n) {
    testing::Commands commands;
    commands.add(testing::New{.id = std::to_string(n), .price = static_cast<std::int64_t>(100 + n % 7)});
    core::EventSink sink;
    engine_->apply(commands.frame(), {static_cast<std::int64_t>(n)}, sink);
  }

  // Goes on until nothing is under way.
  static void settle(Snapshots& snapshots, LogId published) {
    for (int tries = 0; snapshots.busy() && tries < 5000; ++tries) {
      snapshots.poll(published);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_FALSE(snapshots.busy());
  }
  void take(Snapshots& snapshots, std::uint64_t n) {
    snapshots.start(*engine_, {n, 0});
    settle(snapshots, {n, 0});
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().native());
    std::ranges::sort(names);
    return names;
  }

  static std::string name(std::uint64_t n) {
    const std::string ms = std::to_string(n);
    return "0-" + std::string(20 - ms.size(), '0') + ms + "-00000000000000000000.snapshot";
  }
  std::string file(std::uint64_t n) const { return path_ + "/" + name(n); }

  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return std::move(text).str();
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }

  core::EngineConfig config_ = testing::config_of({.label = "", .ids = 1, .prices = 5});
  std::string path_;
  Stamp stamp_;
  std::unique_ptr<core::Engine> engine_;
};

TEST_F(Folder, FileHasTheStateAsItWasWhenItWasBegun) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 1);
  for (std::uint64_t n = 1; n <= 50; ++n) apply(n);
  const std::string hash = engine_->state_hash();
  snapshots.start(*engine_, {50, 0});
  for (std::uint64_t n = 51; n <= 100; ++n) apply(n);  // meanwhile
  settle(snapshots, {100, 0});
  EXPECT_EQ(snapshots.last(), (LogId{50, 0}));

  const File file = read_file(this->file(50), stamp_);
  ASSERT_EQ(file.error, "");
  EXPECT_EQ(file.frame, (LogId{50, 0}));
  EXPECT_EQ(file.state_hash, hash);
  core::Engine loaded(config_);
  core::StateReader reader(file.state);
  ASSERT_TRUE(loaded.load(reader));
  EXPECT_EQ(loaded.state_hash(), hash);
}

TEST_F(Folder, OneIsDueAfterSoManyCommandsAndNeverTwoAtOnce) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 10);
  for (std::uint64_t n = 1; n <= 9; ++n) apply(n);
  EXPECT_FALSE(snapshots.due(*engine_));
  apply(10);
  EXPECT_TRUE(snapshots.due(*engine_));
  snapshots.start(*engine_, {10, 0});
  for (std::uint64_t n = 11; n <= 40; ++n) apply(n);
  EXPECT_FALSE(snapshots.due(*engine_)) << "one is under way";
  settle(snapshots, {10, 0});
  EXPECT_TRUE(snapshots.due(*engine_)) << "30 commands later";
  EXPECT_FALSE(Snapshots(&directory, stamp_, 0).due(*engine_)) << "0: never";
}

TEST_F(Folder, NoneGetsItsNameBeforeItsEventsArePublished) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 1);
  apply(1);
  snapshots.start(*engine_, {1, 7});
  for (int i = 0; i < 100; ++i) {
    snapshots.poll({1, 6});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(snapshots.busy());
  EXPECT_TRUE(directory.snapshots().empty());
  settle(snapshots, {1, 7});
  ASSERT_EQ(directory.snapshots().size(), 1u);
  EXPECT_EQ(directory.snapshots()[0].frame, (LogId{1, 7}));
}

TEST_F(Folder, NewestTwoAreKept) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 1);
  write(path_ + "/1-00000000000000000001-00000000000000000000.snapshot", "of another shard");
  write(path_ + "/notes", "of a person");
  write(file(99), "of another log");
  for (std::uint64_t n = 8; n <= 12; ++n) {
    apply(n);
    take(snapshots, n);
  }
  EXPECT_EQ(files(),
            (std::vector<std::string>{"0-00000000000000000011-00000000000000000000.snapshot",
                                      "0-00000000000000000012-00000000000000000000.snapshot", name(99), "0.lock",
                                      "1-00000000000000000001-00000000000000000000.snapshot", "notes"}));
}

TEST_F(Folder, ChildThatFailsIsForgottenAndTheNextOneSucceeds) {
  const std::string gone = path_ + "/gone";
  Directory directory(gone, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 1);
  apply(1);
  fs::remove_all(gone);
  snapshots.start(*engine_, {1, 0});
  EXPECT_FALSE(snapshots.busy()) << "no file, no child";
  EXPECT_EQ(snapshots.last(), LogId{});
  fs::create_directory(gone);
  apply(2);
  snapshots.start(*engine_, {2, 0});
  fs::remove_all(gone);  // it can write, but not be named
  settle(snapshots, {2, 0});
  EXPECT_EQ(snapshots.last(), LogId{});
  fs::create_directory(gone);
  apply(3);
  take(snapshots, 3);
  EXPECT_EQ(snapshots.last(), (LogId{3, 0}));
}

TEST_F(Folder, FullDiskIsAFailureWithItsReason) {
  const int full = ::open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  EXPECT_EQ(write_file(full, stamp_, *engine_), ENOSPC);
  ::close(full);
}

TEST_F(Folder, EndTakesOneOfTheLastFrameOnlyIfItsEventsArePublished) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 0);
  apply(5);
  snapshots.finish(*engine_, {5, 0}, {4, 0});
  EXPECT_TRUE(directory.snapshots().empty());
  snapshots.finish(*engine_, {5, 0}, {5, 0});
  ASSERT_EQ(directory.snapshots().size(), 1u);
  EXPECT_EQ(snapshots.last(), (LogId{5, 0}));
  fs::remove(file(5));
  snapshots.finish(*engine_, {5, 0}, {5, 0});
  EXPECT_TRUE(directory.snapshots().empty()) << "nothing was applied since";
}

TEST_F(Folder, EndSettlesTheOneUnderWay) {
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  Snapshots snapshots(&directory, stamp_, 1);
  apply(5);
  snapshots.start(*engine_, {5, 0});
  apply(6);
  snapshots.finish(*engine_, {6, 0}, {5, 0});
  EXPECT_FALSE(snapshots.busy());
  EXPECT_EQ(snapshots.last(), (LogId{5, 0})) << "that is as far as events are published";
  snapshots.start(*engine_, {6, 0});
  apply(7);
  snapshots.finish(*engine_, {7, 0}, {7, 0});
  EXPECT_EQ(snapshots.last(), (LogId{7, 0})) << "a newer one instead";
  EXPECT_EQ(directory.snapshots().size(), 2u);
  EXPECT_FALSE(fs::exists(directory.temporary()));
}

TEST_F(Folder, DirectoryIsOneEnginesAtATime) {
  Directory first(path_, 0), second(path_, 0), other(path_, 1);
  ASSERT_FALSE(first.open());
  ASSERT_FALSE(other.open()) << "each shard has its own lock";
  ASSERT_TRUE(second.open());
  EXPECT_EQ(*Directory(path_, 0).open(), path_ + " is in use by another engine of shard 0");
}

TEST_F(Folder, WhatAnUncleanEndLeftHalfWrittenIsRemoved) {
  write(path_ + "/0.part", "half");
  Directory directory(path_, 0);
  ASSERT_FALSE(directory.open());
  EXPECT_FALSE(fs::exists(path_ + "/0.part"));
}

class SnapshotFile : public Folder {
 protected:
  SnapshotFile() {
    Directory directory(path_, 0);
    EXPECT_FALSE(directory.open());
    Snapshots snapshots(&directory, stamp_, 0);
    apply(5);
    snapshots.finish(*engine_, {5, 0}, {5, 0});
    whole_ = read(file(5));
  }

  std::string fault_of(const std::string& bytes) {
    write(file(5), bytes);
    return read_file(file(5), stamp_).error;
  }

  std::string whole_;
};

TEST_F(SnapshotFile, ChangedInAnyByteIsRefused) {
  ASSERT_EQ(fault_of(whole_), "");
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    std::string bytes = whole_;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    ASSERT_NE(fault_of(bytes), "") << "byte " << at;
  }
}

TEST_F(SnapshotFile, CutShortIsRefused) {
  for (std::size_t length = 0; length < whole_.size(); ++length) {
    ASSERT_NE(fault_of(whole_.substr(0, length)), "") << length;
  }
  EXPECT_EQ(fault_of(""), "it is cut short");
  EXPECT_EQ(fault_of(whole_ + "x"), "it is damaged: its CRC does not fit");
}

TEST_F(SnapshotFile, SaysWhyItIsRefused) {
  EXPECT_EQ(fault_of(std::string(500, 'x')), "it is no snapshot");
  std::string other = whole_;
  other[8] = 9;
  EXPECT_EQ(fault_of(other), "its format is 9, this engine reads 1");
  EXPECT_EQ(read_file(path_ + "/none", stamp_).error, "it can't be read: No such file or directory");
}

TEST_F(SnapshotFile, OfAnotherShardOrConfigurationIsRefused) {
  Stamp other = stamp_;
  other.shard = 3;
  EXPECT_EQ(read_file(file(5), other).error, "it is of shard 0, this engine of 3");
  for (auto change :
       {+[](core::EngineConfig& c) { ++c.open_orders_max; }, +[](core::EngineConfig& c) { ++c.ended_orders; },
        +[](core::EngineConfig& c) { ++c.ids_window; }, +[](core::EngineConfig& c) { ++c.ids_age.value; }}) {
    core::EngineConfig config = config_;
    change(config);
    other = {0, config_digest("instruments", 0, config), {}};
    EXPECT_TRUE(read_file(file(5), other).error.starts_with("it is of another configuration")) << other.config_digest;
  }
  other = {0, config_digest("other instruments", 0, config_), {}};
  EXPECT_TRUE(read_file(file(5), other).error.starts_with("it is of another configuration"));
}

}  // namespace
}  // namespace ordergate::snapshot
