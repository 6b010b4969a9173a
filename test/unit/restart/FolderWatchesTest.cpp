#include "restart/FolderWatches.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "support/CapturedLog.h"
#include "support/LeakCheck.h"
#include "support/SpawningFixture.h"

namespace Passenger {

class FolderWatchesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FolderWatchesTest);
    CPPUNIT_TEST(testOnlyEventsOfTheNamedEntriesCount);
    CPPUNIT_TEST(testWritesBesideAPathCauseNoEvent);
    CPPUNIT_TEST(testAFolderOfTwoPathsTellsWhatBothNeed);
    CPPUNIT_TEST(testPathsToOneFolderShareItsWatch);
    CPPUNIT_TEST(testAFolderThatIsNotFollowedAnyMoreIsNotWatched);
    CPPUNIT_TEST(testWatchesOfRemovedFoldersAreRemoved);
    CPPUNIT_TEST(testALostEventCountsAsAChange);
    CPPUNIT_TEST(testAfterStopNothingIsOpen);
    CPPUNIT_TEST(testIfWatchesRunOutTheFirstOnesWorkAndTheLogSaysSoOnce);
    CPPUNIT_TEST(testAFolderIsWatchedWithTheGivenRights);
    CPPUNIT_TEST_SUITE_END();

    static constexpr int NOT_ALLOWED = 77;

    std::unique_ptr<ApplicationFolder> root_;
    std::unique_ptr<FolderWatches> watches_;

    static std::vector<FolderWatches::Wish> ours(FolderWatches::Entries entries) { return {{std::move(entries)}}; }
    /** @return the path of the new folder */
    std::string folder(const std::string &name) const {
        std::string path = root_->path() + "/" + name;
        std::filesystem::create_directories(path);
        return path;
    }
    void touch(const std::string &name) const { std::ofstream(root_->path() + "/" + name).flush(); }
    /** Follows three folders in a process of its own that may have two watches. @return the exit
     *  status; 0: as expected */
    int followThreeWithTwoWatches() const {
        if (::unshare(CLONE_NEWUSER) != 0 || !(std::ofstream("/proc/sys/user/max_inotify_watches") << 2).flush()) {
            return NOT_ALLOWED;
        }
        FolderWatches watches;
        for (int round = 0; round < 2; round++) {
            watches.follow(ours({{folder("a"), {"one"}}, {folder("b"), {"one"}}, {folder("c"), {"one"}}}));
        }
        touch("b/one");
        return watches.read() ? 0 : 1;
    }
    /** Whether the kernel has told anything. */
    bool isWoken() const {
        pollfd entry{watches_->descriptor(), POLLIN, 0};
        return ::poll(&entry, 1, 0) > 0;
    }
    /** The number that the kernel counts. */
    unsigned watchCount() const {
        std::ifstream info("/proc/self/fdinfo/" + std::to_string(watches_->descriptor()));
        unsigned count = 0;
        for (std::string line; std::getline(info, line);) {
            count += line.starts_with("inotify wd:") ? 1 : 0;
        }
        return count;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        root_ = std::make_unique<ApplicationFolder>("");
        watches_ = std::make_unique<FolderWatches>();
    }

    void tearDown() override {
        watches_.reset();
        root_.reset();
        LeakCheck::tearDown();
    }

    void testOnlyEventsOfTheNamedEntriesCount() {
        watches_->follow(ours({{folder("a"), {"one"}}, {folder("b"), {"two"}}}));
        touch("a/two");
        touch("b/one");
        CPPUNIT_ASSERT(!watches_->read());
        touch("b/two");
        CPPUNIT_ASSERT(watches_->read());
        CPPUNIT_ASSERT(!watches_->read());
    }

    void testWritesBesideAPathCauseNoEvent() {
        folder("a/b");
        touch("a/beside");
        touch("a/b/one");
        watches_->follow(ours({{folder("a"), {"b"}}, {folder("a/b"), {"one"}}}));
        touch("a/beside");
        CPPUNIT_ASSERT(!isWoken());
        touch("a/b/one");
        CPPUNIT_ASSERT(isWoken());
        CPPUNIT_ASSERT(watches_->read());
        std::filesystem::rename(root_->path() + "/a/b", root_->path() + "/a/c");
        std::filesystem::rename(root_->path() + "/a/c", root_->path() + "/a/b");
        CPPUNIT_ASSERT(watches_->read());
    }

    void testAFolderOfTwoPathsTellsWhatBothNeed() {
        const FolderWatches::Wish upper{{{folder("a"), {"one"}}}};
        const FolderWatches::Wish lower{{{folder("a"), {"b"}}, {folder("a/b"), {"one"}}}};
        touch("a/one");
        for (const auto &wishes : {std::vector{upper, lower}, std::vector{lower, upper}}) {
            watches_->follow(wishes);
            touch("a/one");
            CPPUNIT_ASSERT(watches_->read());
        }
    }

    void testPathsToOneFolderShareItsWatch() {
        const std::string link = root_->path() + "/link";
        std::filesystem::create_directory_symlink(folder("a"), link);
        watches_->follow(ours({{folder("a"), {"one"}}, {link, {"two"}}}));
        CPPUNIT_ASSERT_EQUAL(1U, watchCount());
        for (const char *name : {"a/one", "a/two"}) {
            touch(name);
            CPPUNIT_ASSERT(watches_->read());
        }
    }

    void testAFolderThatIsNotFollowedAnyMoreIsNotWatched() {
        watches_->follow(ours({{folder("a"), {"one"}}, {folder("b"), {"one"}}}));
        CPPUNIT_ASSERT_EQUAL(2U, watchCount());
        watches_->follow(ours({{folder("b"), {"one"}}}));
        CPPUNIT_ASSERT_EQUAL(1U, watchCount());
        touch("a/one");
        CPPUNIT_ASSERT(!watches_->read());
        touch("b/one");
        CPPUNIT_ASSERT(watches_->read());
    }

    void testWatchesOfRemovedFoldersAreRemoved() {
        const std::string path = folder("a");
        watches_->follow(ours({{path, {"one"}}}));
        std::filesystem::remove_all(path);
        CPPUNIT_ASSERT_EQUAL(0U, watchCount());
        watches_->follow(ours({{folder("a"), {"one"}}}));
        touch("a/one");
        CPPUNIT_ASSERT(watches_->read());
    }

    void testALostEventCountsAsAChange() {
        unsigned limit = 0;
        std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
        watches_->follow(ours({{folder("a"), {"one"}}}));
        // Two different names in turn, since the kernel merges equal events in a row. Each touch
        // makes at least one event.
        for (unsigned number = 0; number <= limit; number++) {
            touch(number % 2 == 0 ? "a/two" : "a/three");
        }
        CPPUNIT_ASSERT(watches_->read());
    }

    void testAfterStopNothingIsOpen() {
        watches_->follow(ours({{folder("a"), {"one"}}}));
        watches_->stop();
        CPPUNIT_ASSERT_EQUAL(-1, watches_->descriptor());
        watches_->follow(ours({{folder("a"), {"one"}}}));
        CPPUNIT_ASSERT_EQUAL(1U, watchCount());
    }

    void testIfWatchesRunOutTheFirstOnesWorkAndTheLogSaysSoOnce() {
        const CapturedLog log;
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::_exit(followThreeWithTwoWatches());
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
            return;
        }
        CPPUNIT_ASSERT_EQUAL(0, status);
        CPPUNIT_ASSERT_EQUAL(1U, log.count("event=restart.watches_exhausted"));
        CPPUNIT_ASSERT(log.contains("/c\" error=\"No space left on device\""));
    }

    void testAFolderIsWatchedWithTheGivenRights() {
        if (::geteuid() != 0) {
            return;
        }
        const RunAs somebody{"somebody", "", 54321, 54321, ""};
        const std::string path = folder("closed");
        std::filesystem::permissions(root_->path(), std::filesystem::perms(0755));
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        watches_->follow({{{{path, {"one"}}}, somebody}});
        CPPUNIT_ASSERT_EQUAL(0U, watchCount());
        watches_->follow({{{{path, {"one"}}}, somebody}, {{{path, {"two"}}}}});
        CPPUNIT_ASSERT_EQUAL(1U, watchCount());
        touch("closed/one");
        CPPUNIT_ASSERT(!watches_->read());
        touch("closed/two");
        CPPUNIT_ASSERT(watches_->read());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FolderWatchesTest);

}  // namespace Passenger
