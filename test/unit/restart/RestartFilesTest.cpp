#include "restart/RestartFiles.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>

#include "support/LeakCheck.h"
#include "support/SpawningFixture.h"

namespace Passenger {

class RestartFilesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RestartFilesTest);
    CPPUNIT_TEST(testWithoutAFileNoRestartIsRequested);
    CPPUNIT_TEST(testAFileThatExistsAtTheStartRequestsNoRestart);
    CPPUNIT_TEST(testAChangeBeforeTheStartRequestsNoRestart);
    CPPUNIT_TEST(testTheFirstLookRecordsTheTimeOfTheRestartFile);
    CPPUNIT_TEST(testALaterAndAnEarlierTimeAreChanges);
    CPPUNIT_TEST(testAFractionOfASecondIsAChange);
    CPPUNIT_TEST(testANewFileIsAChange);
    CPPUNIT_TEST(testAFailedRestartIsRequestedAgain);
    CPPUNIT_TEST(testARemovedFileIsNoChange);
    CPPUNIT_TEST(testAnotherFolderMayBeNamed);
    CPPUNIT_TEST(testALinkThatMovesIsFollowed);
    CPPUNIT_TEST(testAnAlwaysRestartFileIsSeenAsLongAsItExists);
    CPPUNIT_TEST(testTheFilesAreReadWithTheUsersRights);
    CPPUNIT_TEST(testAUserByEarlierOptionsReplacesNoneByLaterOnes);
    CPPUNIT_TEST(testAfterAStartWithoutALookTheFirstFileSeenRequestsARestart);
    CPPUNIT_TEST(testARestartThatIsNotDoneIsRequestedOnce);
    CPPUNIT_TEST(testAnotherFolderIsFollowedFromItsPresentStateOn);
    CPPUNIT_TEST(testAFileThatAppearsInAnotherFolderIsAChange);
    CPPUNIT_TEST(testAFolderThatIsFollowedAgainIsComparedWithItsLastState);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<ApplicationFolder> folder_;

    static void touch(const std::string &file, time_t time, long nanoseconds = 0) {
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file).flush();
        const timespec times[2] = {{time, nanoseconds}, {time, nanoseconds}};
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, file.c_str(), times, 0));
    }
    /** Makes the watch of restart files, and begins it. */
    std::unique_ptr<RestartFiles> watch(const std::string &root, const std::string &restartDir = "tmp") {
        auto files = std::make_unique<RestartFiles>(root, restartDir);
        files->begin();
        return files;
    }
    std::unique_ptr<RestartFiles> watch() { return watch(folder_->path()); }
    std::string file() const { return folder_->path() + "/tmp/restart.txt"; }

public:
    void setUp() override {
        LeakCheck::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
    }

    void tearDown() override {
        folder_.reset();
        LeakCheck::tearDown();
    }

    void testAnotherFolderIsFollowedFromItsPresentStateOn() {
        touch(file(), 1000);
        touch(folder_->path() + "/shared/restart.txt", 1000);
        const auto files = watch();
        files->follow(folder_->path(), "shared");
        CPPUNIT_ASSERT_EQUAL(folder_->path() + "/shared", files->folder().path);
        CPPUNIT_ASSERT(!files->changed());
        touch(file(), 2000);
        CPPUNIT_ASSERT_MESSAGE("The former folder", !files->changed());
        touch(folder_->path() + "/shared/restart.txt", 2000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testAFileThatAppearsInAnotherFolderIsAChange() {
        const auto files = watch();
        files->follow(folder_->path() + "/moved", "tmp");
        CPPUNIT_ASSERT_MESSAGE("A look has to record the state", files->mayAsk({}));
        CPPUNIT_ASSERT(!files->changed());
        CPPUNIT_ASSERT(!files->mayAsk({}));
        touch(folder_->path() + "/moved/tmp/restart.txt", 1000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testAFolderThatIsFollowedAgainIsComparedWithItsLastState() {
        touch(file(), 1000);
        const auto files = watch();
        files->follow(folder_->path(), "shared");
        CPPUNIT_ASSERT(!files->changed());
        touch(file(), 2000);
        files->follow(folder_->path(), "tmp");
        CPPUNIT_ASSERT(files->changed());
    }

    void testWithoutAFileNoRestartIsRequested() {
        const auto files = watch();
        CPPUNIT_ASSERT(!files->changed());
        CPPUNIT_ASSERT(!files->always());
    }

    void testAFileThatExistsAtTheStartRequestsNoRestart() {
        touch(file(), 1000);
        const auto files = watch();
        CPPUNIT_ASSERT(!files->changed());
    }

    void testAChangeBeforeTheStartRequestsNoRestart() {
        touch(file(), 1000);
        RestartFiles files(folder_->path(), "tmp");
        touch(file(), 2000);
        files.begin();
        CPPUNIT_ASSERT(!files.changed());
    }

    void testTheFirstLookRecordsTheTimeOfTheRestartFile() {
        RestartFiles files(folder_->path(), "tmp");
        touch(file(), 1000);
        CPPUNIT_ASSERT(!files.changed());
        touch(file(), 2000);
        files.begin();
        CPPUNIT_ASSERT(files.changed());
    }

    void testALaterAndAnEarlierTimeAreChanges() {
        touch(file(), 1000);
        const auto files = watch();
        for (const time_t time : {2000, 1500, 1500000000}) {
            touch(file(), time);
            CPPUNIT_ASSERT(files->changed());
            CPPUNIT_ASSERT(!files->changed());
        }
    }

    void testAFractionOfASecondIsAChange() {
        touch(file(), 1000);
        const auto files = watch();
        touch(file(), 1000, 1);
        CPPUNIT_ASSERT(files->changed());
    }

    void testANewFileIsAChange() {
        const auto files = watch();
        touch(file(), 1000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testAFailedRestartIsRequestedAgain() {
        const auto files = watch();
        touch(file(), 1000);
        CPPUNIT_ASSERT(files->changed());
        files->askAgain();
        CPPUNIT_ASSERT(files->changed());
        CPPUNIT_ASSERT(!files->changed());
    }

    void testARestartThatIsNotDoneIsRequestedOnce() {
        for (const bool exists : {false, true}) {
            if (exists) {
                touch(file(), 1000);
            }
            RestartFiles files(folder_->path(), "tmp", RestartFiles::ASKED);
            files.begin();
            CPPUNIT_ASSERT_EQUAL(std::string(RestartFiles::ASKED), files.seen());
            CPPUNIT_ASSERT(files.mayAsk({}));
            CPPUNIT_ASSERT(files.changed());
            CPPUNIT_ASSERT(!files.changed());
            CPPUNIT_ASSERT(files.seen() != RestartFiles::ASKED);
        }
    }

    void testARemovedFileIsNoChange() {
        touch(file(), 1000);
        const auto files = watch();
        std::filesystem::remove(file());
        CPPUNIT_ASSERT(!files->changed());
        touch(file(), 2000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testAnotherFolderMayBeNamed() {
        const ApplicationFolder other("");
        const auto files = watch(folder_->path(), other.path());
        touch(file(), 1000);
        CPPUNIT_ASSERT(!files->changed());
        touch(other.path() + "/restart.txt", 1000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testALinkThatMovesIsFollowed() {
        touch(folder_->path() + "/releases/1/tmp/restart.txt", 1000);
        touch(folder_->path() + "/releases/2/tmp/restart.txt", 2000);
        const std::string current = folder_->path() + "/current";
        std::filesystem::create_directory_symlink("releases/1", current);
        const auto files = watch(current);
        std::filesystem::remove(current);
        std::filesystem::create_directory_symlink("releases/2", current);
        CPPUNIT_ASSERT(files->changed());
    }

    void testTheFilesAreReadWithTheUsersRights() {
        if (::geteuid() != 0) {
            return;
        }
        touch(file(), 1000);
        touch(folder_->path() + "/tmp/always_restart.txt", 1000);
        const std::string tmp = folder_->path() + "/tmp";
        std::filesystem::permissions(folder_->path(), std::filesystem::perms(0755));
        std::filesystem::permissions(tmp, std::filesystem::perms::owner_all);
        RestartFiles files(folder_->path(), "tmp");
        files.begin(RunAs{"somebody", "", 54321, 54321, ""});
        CPPUNIT_ASSERT(files.knowsUser());
        CPPUNIT_ASSERT(!files.needsUser());
        touch(file(), 2000);
        CPPUNIT_ASSERT(!files.changed());
        CPPUNIT_ASSERT(!files.always());
        // The user's group may give access.
        std::filesystem::permissions(tmp, std::filesystem::perms(0750));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(tmp.c_str(), 0, 54323));
        CPPUNIT_ASSERT(!files.always());
        files.userMayDiffer();
        CPPUNIT_ASSERT(files.knowsUser());
        CPPUNIT_ASSERT(files.needsUser());
        files.begin(RunAs{"somebody", "", 54321, 54323, ""}, files.lastChange());
        CPPUNIT_ASSERT(files.always());
        CPPUNIT_ASSERT(files.changed());
    }

    void testAUserByEarlierOptionsReplacesNoneByLaterOnes() {
        if (::geteuid() != 0) {
            return;
        }
        RestartFiles files(folder_->path(), "tmp");
        const std::uint64_t earlier = files.lastChange();
        files.userMayDiffer();
        files.begin(RunAs{"alice", "", 1, 1, ""}, earlier);
        CPPUNIT_ASSERT(files.knowsUser());
        CPPUNIT_ASSERT(files.needsUser());
        files.begin(RunAs{"bob", "", 2, 2, ""}, files.lastChange());
        CPPUNIT_ASSERT(!files.needsUser());
        files.begin(RunAs{"alice", "", 1, 1, ""}, earlier);
        CPPUNIT_ASSERT_EQUAL(std::string("bob"), files.folder().user.user);
        CPPUNIT_ASSERT(!files.needsUser());
    }

    void testAfterAStartWithoutALookTheFirstFileSeenRequestsARestart() {
        touch(file(), 1000);
        RestartFiles files(folder_->path(), "tmp");
        files.beginUnseen();
        CPPUNIT_ASSERT(!files.knowsUser());
        files.begin();
        CPPUNIT_ASSERT(files.changed());
        CPPUNIT_ASSERT(!files.changed());
    }

    void testAnAlwaysRestartFileIsSeenAsLongAsItExists() {
        const auto files = watch();
        touch(folder_->path() + "/tmp/always_restart.txt", 1000);
        CPPUNIT_ASSERT(files->always());
        CPPUNIT_ASSERT(files->always());
        std::filesystem::remove(folder_->path() + "/tmp/always_restart.txt");
        CPPUNIT_ASSERT(!files->always());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartFilesTest);

}  // namespace Passenger
