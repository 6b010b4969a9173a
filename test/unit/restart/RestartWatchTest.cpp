#include "restart/RestartWatch.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include "base/Exceptions.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using std::chrono::hours;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

/** Tests with the real clock, since they measure how soon an event of the kernel causes a look. */
class RestartWatchTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RestartWatchTest);
    CPPUNIT_TEST(testATouchCausesALookAtOnce);
    CPPUNIT_TEST(testAFileThatAppearsIsNoticed);
    CPPUNIT_TEST(testARenameOverTheFileIsNoticed);
    CPPUNIT_TEST(testATimeThatGoesBackwardsIsNoticed);
    CPPUNIT_TEST(testALinkThatIsSwitchedIsNoticed);
    CPPUNIT_TEST(testTheFolderBehindASwitchedLinkIsWatched);
    CPPUNIT_TEST(testANewFolderIsWatched);
    CPPUNIT_TEST(testAnApplicationThatIsReplacedIsNoticed);
    CPPUNIT_TEST(testANewApplicationIsWatchedSoon);
    CPPUNIT_TEST(testOtherFilesAndReadsCauseNoLook);
    CPPUNIT_TEST(testManyEventsCauseOneLookIn50Milliseconds);
    CPPUNIT_TEST(testCostlyLooksAreRareWhateverIsTouched);
    CPPUNIT_TEST(testWithoutInotifyOnlyTheIntervalCausesLooks);
    CPPUNIT_TEST(testAMissingInotifyIsLoggedOnceAndTriedAgain);
    CPPUNIT_TEST(testNothingIsWatchedIfLooksAreFrequent);
    CPPUNIT_TEST(testAnotherIntervalAppliesAtOnce);
    CPPUNIT_TEST(testAnIntervalThatChangesDuringACheckApplies);
    CPPUNIT_TEST(testAFailedLookIsLoggedAndTheNextOneFollows);
    CPPUNIT_TEST(testACheckThatCouldNotLookAtEachFileIsRepeated);
    CPPUNIT_TEST(testTheDestructorReturnsPromptly);
    CPPUNIT_TEST_SUITE_END();

    /** Long enough for a slow machine. Without an event the next look is after an hour. */
    static constexpr milliseconds SOON{60000};
    /** Long enough for a look after an event. */
    static constexpr milliseconds QUIET{200};

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<ApplicationFolder> root_;
    std::mutex mutex_;
    std::vector<std::string> folders_;
    std::atomic<unsigned> looks_ = 0;
    /** What each look takes. */
    std::atomic<milliseconds> cost_{};
    std::atomic<bool> failing_ = false;
    /** Whether the checks could not look at each file. */
    std::atomic<bool> blind_ = false;
    /** Whether the next check changes the interval to an hour. */
    std::atomic<bool> changing_ = false;
    std::unique_ptr<RestartWatch> watch_;

    std::string path(const std::string &name) const { return root_->path() + "/" + name; }
    /** @return the path of the new folder */
    std::string folder(const std::string &name) const {
        fs::create_directories(path(name));
        return path(name);
    }
    std::string file(const std::string &name) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        std::ofstream(path(name)).flush();
        return path(name);
    }
    /** Replaces the link without a moment without it, as Capistrano does. */
    void switchLink(const std::string &target) const {
        fs::create_directory_symlink(target, path("next"));
        fs::rename(path("next"), path("current"));
    }
    static void setTime(const std::string &file, time_t time) {
        const timespec times[2] = {{time, 0}, {time, 0}};
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, file.c_str(), times, 0));
    }
    void setFolders(std::vector<std::string> folders) {
        const std::lock_guard<std::mutex> guard(mutex_);
        folders_ = std::move(folders);
    }
    std::vector<RestartFolder> folders() {
        const std::lock_guard<std::mutex> guard(mutex_);
        std::vector<RestartFolder> result;
        for (const std::string &folder : folders_) {
            result.push_back({folder});
        }
        return result;
    }
    void startWatch(milliseconds interval, FolderWatches::Opener open = openInotify) {
        RestartWatch::Parts parts{[this] { return folders(); }, [this] { return look(); }, std::move(open)};
        watch_ = std::make_unique<RestartWatch>(std::move(parts), interval);
    }
    bool look() {
        looks_++;
        std::this_thread::sleep_for(cost_.load());
        if (failing_) {
            throw IOException("no such luck");
        }
        if (changing_.exchange(false)) {
            watch_->setInterval(hours(1));
        }
        return !blind_;
    }
    /** Starts the watch. Returns after its first look. */
    void watch(const std::string &folder, milliseconds interval = hours(1)) {
        setFolders({folder});
        looks_ = 0;
        startWatch(interval);
        CPPUNIT_ASSERT(eventually([this] { return looks_ >= 1; }));
    }
    /** Makes two releases, and `current` as a link to the first one. */
    void watchLink() {
        folder("releases/1/tmp");
        folder("releases/2/tmp");
        switchLink("releases/1");
        watch(path("current/tmp"));
    }
    bool looksWithin(milliseconds time, unsigned before) const {
        return eventually([&] { return looks_ > before; }, time);
    }
    template <typename Action> void assertBringsLook(Action action) {
        settle();
        const unsigned before = looks_;
        action();
        CPPUNIT_ASSERT(looksWithin(SOON, before));
    }
    /** An earlier action may cause a late look. */
    template <typename Action> void assertBringsNoLook(Action action) {
        bool quiet = false;
        for (int tries = 0; tries < 5 && !quiet; tries++) {
            settle();
            const unsigned before = looks_;
            action();
            quiet = !looksWithin(QUIET, before);
        }
        CPPUNIT_ASSERT(quiet);
    }
    /** Waits until looks have ended. */
    void settle() const {
        for (unsigned before = looks_; looksWithin(QUIET, before);) {
            before = looks_;
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        root_ = std::make_unique<ApplicationFolder>("");
    }

    void tearDown() override {
        watch_.reset();
        root_.reset();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testATouchCausesALookAtOnce() {
        const std::string restart = file("tmp/restart.txt");
        watch(folder("tmp"));
        assertBringsLook([&] { setTime(restart, 2000000000); });
        assertBringsLook([&] { std::ofstream(restart) << "now"; });
    }

    void testAFileThatAppearsIsNoticed() {
        watch(folder("tmp"));
        assertBringsLook([&] { file("tmp/restart.txt"); });
        assertBringsLook([&] { file("tmp/always_restart.txt"); });
    }

    void testARenameOverTheFileIsNoticed() {
        file("tmp/restart.txt");
        const std::string other = file("other");
        watch(folder("tmp"));
        assertBringsLook([&] { fs::rename(other, path("tmp/restart.txt")); });
    }

    void testATimeThatGoesBackwardsIsNoticed() {
        const std::string restart = file("tmp/restart.txt");
        watch(folder("tmp"));
        assertBringsLook([&] { setTime(restart, 1000); });
    }

    void testALinkThatIsSwitchedIsNoticed() {
        watchLink();
        assertBringsLook([&] { switchLink("releases/2"); });
    }

    void testTheFolderBehindASwitchedLinkIsWatched() {
        watchLink();
        switchLink("releases/2");
        assertBringsLook([&] { file("releases/2/tmp/restart.txt"); });
        assertBringsNoLook([&] { file("releases/1/tmp/restart.txt"); });
    }

    void testANewFolderIsWatched() {
        watch(path("deploy/files/restart"));
        assertBringsLook([&] { folder("deploy/files"); });
        assertBringsLook([&] { folder("deploy/files/restart"); });
        assertBringsLook([&] { file("deploy/files/restart/restart.txt"); });
    }

    void testAnApplicationThatIsReplacedIsNoticed() {
        file("app/tmp/restart.txt");
        watch(path("app/tmp"));
        fs::remove_all(path("app"));
        settle();
        assertBringsLook([&] { folder("app/tmp"); });
        assertBringsLook([&] { file("app/tmp/restart.txt"); });
    }

    void testANewApplicationIsWatchedSoon() {
        watch(folder("1/tmp"));
        CPPUNIT_ASSERT(!looksWithin(milliseconds(1200), 1));
        setFolders({path("1/tmp"), folder("2/tmp")});
        // There is one look more, since a file may have changed before its folder was watched.
        CPPUNIT_ASSERT(looksWithin(SOON, 1));
        assertBringsLook([&] { file("2/tmp/restart.txt"); });
    }

    void testOtherFilesAndReadsCauseNoLook() {
        const std::string restart = file("app/tmp/restart.txt");
        watch(folder("app/tmp"));
        assertBringsNoLook([&] {
            std::ifstream(restart).get();
            for (const char *name : {"app/tmp/cache", "app/tmp/restart.txt.new", "app/log", "other"}) {
                setTime(file(name), 1000);
                fs::remove(path(name));
            }
        });
        assertBringsLook([&] { setTime(restart, 1000); });
    }

    void testManyEventsCauseOneLookIn50Milliseconds() {
        const std::string restart = file("tmp/restart.txt");
        watch(folder("tmp"));
        settle();
        const unsigned before = looks_;
        const auto begin = std::chrono::steady_clock::now();
        const auto stormy = [&] {
            const auto passed = std::chrono::steady_clock::now() - begin;
            return passed < QUIET || (looks_ < before + 2 && passed < SOON);
        };
        for (time_t time = 1; stormy(); time++) {
            setTime(restart, time);
        }
        settle();
        const auto passed = std::chrono::steady_clock::now() - begin;
        CPPUNIT_ASSERT(looks_ > before + 1);
        CPPUNIT_ASSERT(looks_ - before <= static_cast<unsigned>((passed - QUIET) / milliseconds(50)) + 2);
    }

    void testCostlyLooksAreRareWhateverIsTouched() {
        const std::string restart = file("tmp/restart.txt");
        watch(folder("tmp"));
        settle();
        cost_ = milliseconds(50);
        unsigned before = looks_;
        const auto begin = std::chrono::steady_clock::now();
        for (time_t time = 1; std::chrono::steady_clock::now() < begin + 10 * QUIET; time++) {
            setTime(restart, time);
        }
        const auto passed = std::chrono::steady_clock::now() - begin;
        CPPUNIT_ASSERT(looks_ - before <= static_cast<unsigned>(passed / (11 * cost_.load())) + 2);
        before = looks_;
        setTime(restart, 2000000000);
        CPPUNIT_ASSERT(looksWithin(SOON, before));
    }

    void testWithoutInotifyOnlyTheIntervalCausesLooks() {
        setFolders({folder("tmp")});
        startWatch(hours(1), []() -> FileDescriptor { throw SystemException("inotify_init1", EMFILE); });
        CPPUNIT_ASSERT(eventually([this] { return looks_ == 1; }));
        assertBringsNoLook([&] { file("tmp/restart.txt"); });
        watch_->setInterval(milliseconds(1200));
        assertBringsLook([] {});
    }

    void testAMissingInotifyIsLoggedOnceAndTriedAgain() {
        std::atomic<unsigned> attempts = 0;
        folders_ = {folder("tmp")};
        startWatch(milliseconds(1000), [&]() -> FileDescriptor {
            if (attempts++ < 2) {
                throw SystemException("inotify_init1", EMFILE);
            }
            return openInotify();
        });
        CPPUNIT_ASSERT(eventually([&] { return attempts >= 3; }));
        watch_->setInterval(hours(1));
        assertBringsLook([&] { file("tmp/restart.txt"); });
        watch_.reset();
        CPPUNIT_ASSERT_EQUAL(3U, attempts.load());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=restart.no_inotify error=\"inotify_init1: Too many open files\""));
    }

    void testNothingIsWatchedIfLooksAreFrequent() {
        std::atomic<unsigned> attempts = 0;
        startWatch(milliseconds(0), [&] {
            attempts++;
            return openInotify();
        });
        CPPUNIT_ASSERT(eventually([this] { return looks_ >= 2; }));
        watch_.reset();
        CPPUNIT_ASSERT_EQUAL(0U, attempts.load());
    }

    void testAnotherIntervalAppliesAtOnce() {
        watch(folder("tmp"), hours(1));
        watch_->setInterval(milliseconds(0));
        CPPUNIT_ASSERT(eventually([this] { return looks_ >= 4; }));
        watch_->setInterval(hours(1));
        assertBringsLook([&] { file("tmp/restart.txt"); });
    }

    void testAnIntervalThatChangesDuringACheckApplies() {
        watch(folder("tmp"), milliseconds(0));
        changing_ = true;
        CPPUNIT_ASSERT(eventually([this] { return !changing_; }));
        assertBringsLook([&] { file("tmp/restart.txt"); });
    }

    // The event of a file is over when the check comes.
    void testACheckThatCouldNotLookAtEachFileIsRepeated() {
        blind_ = true;
        watch(folder("tmp"));
        CPPUNIT_ASSERT(eventually([this] { return looks_ >= 2; }));
        blind_ = false;
        const unsigned before = looks_;
        CPPUNIT_ASSERT(looksWithin(SOON, before));
        assertBringsNoLook([] {});
    }

    void testAFailedLookIsLoggedAndTheNextOneFollows() {
        failing_ = true;
        watch(folder("tmp"));
        CPPUNIT_ASSERT(
            eventually([this] { return log_->contains("event=restart.check_failed error=\"no such luck\""); }));
        assertBringsLook([&] { file("tmp/restart.txt"); });
    }

    void testTheDestructorReturnsPromptly() {
        const auto timeOfEnd = [this] {
            watch(folder("tmp"));
            settle();
            const auto begin = std::chrono::steady_clock::now();
            watch_.reset();
            return std::chrono::steady_clock::now() - begin;
        };
        // The machine may be busy at times.
        CPPUNIT_ASSERT(eventually([&] { return timeOfEnd() < 2 * QUIET; }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartWatchTest);

}  // namespace Passenger
