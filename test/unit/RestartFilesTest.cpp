#include "restart/RestartFiles.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "support/LeakCheck.h"
#include "support/SpawningFixture.h"

namespace Passenger {

class RestartFilesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RestartFilesTest);
    CPPUNIT_TEST(testWithoutAFileNothingIsAskedFor);
    CPPUNIT_TEST(testWhatIsThereAtTheStartIsOld);
    CPPUNIT_TEST(testWhatChangedBeforeItBeganIsOld);
    CPPUNIT_TEST(testTheFirstLookIsABeginning);
    CPPUNIT_TEST(testAnotherTimeIsAChangeForwardsAndBackwards);
    CPPUNIT_TEST(testAFractionOfASecondIsAChange);
    CPPUNIT_TEST(testAppearingIsAChange);
    CPPUNIT_TEST(testGoingAwayIsNone);
    CPPUNIT_TEST(testAFolderOfItsOwnMayBeNamed);
    CPPUNIT_TEST(testALinkThatMovesIsFollowed);
    CPPUNIT_TEST(testAnAlwaysFileIsSeenWhileItIsThere);
    CPPUNIT_TEST(testTheyAreLookedAtWithTheUsersRights);
    CPPUNIT_TEST(testOnesThatAreSeenLaterAreAskedForWhereItBeganUnseen);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<ApplicationFolder> folder_;

    static void touch(const std::string &file, time_t time, long nanoseconds = 0) {
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file).flush();
        const timespec times[2] = {{time, nanoseconds}, {time, nanoseconds}};
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, file.c_str(), times, 0));
    }
    /** Begun. */
    std::unique_ptr<RestartFiles> watch(const std::string &root, const std::string &restartDir = "tmp") {
        auto files = std::make_unique<RestartFiles>(root, restartDir);
        files->begin();
        return files;
    }
    std::unique_ptr<RestartFiles> watch() {
        return watch(folder_->path());
    }
    std::string file() const {
        return folder_->path() + "/tmp/restart.txt";
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
    }

    void tearDown() override {
        folder_.reset();
        LeakCheck::tearDown();
    }

    void testWithoutAFileNothingIsAskedFor() {
        const auto files = watch();
        CPPUNIT_ASSERT(!files->changed());
        CPPUNIT_ASSERT(!files->always());
    }

    void testWhatIsThereAtTheStartIsOld() {
        touch(file(), 1000);
        const auto files = watch();
        CPPUNIT_ASSERT(!files->changed());
    }

    void testWhatChangedBeforeItBeganIsOld() {
        touch(file(), 1000);
        RestartFiles files(folder_->path(), "tmp");
        touch(file(), 2000);
        files.begin();
        CPPUNIT_ASSERT(!files.changed());
    }

    void testTheFirstLookIsABeginning() {
        RestartFiles files(folder_->path(), "tmp");
        touch(file(), 1000);
        CPPUNIT_ASSERT(!files.changed());
        touch(file(), 2000);
        files.begin();
        CPPUNIT_ASSERT(files.changed());
    }

    void testAnotherTimeIsAChangeForwardsAndBackwards() {
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

    void testAppearingIsAChange() {
        const auto files = watch();
        touch(file(), 1000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testGoingAwayIsNone() {
        touch(file(), 1000);
        const auto files = watch();
        std::filesystem::remove(file());
        CPPUNIT_ASSERT(!files->changed());
        touch(file(), 2000);
        CPPUNIT_ASSERT(files->changed());
    }

    void testAFolderOfItsOwnMayBeNamed() {
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

    void testTheyAreLookedAtWithTheUsersRights() {
        if (::geteuid() != 0) {
            return;
        }
        touch(file(), 1000);
        touch(folder_->path() + "/tmp/always_restart.txt", 1000);
        const std::string tmp = folder_->path() + "/tmp";
        std::filesystem::permissions(folder_->path(), std::filesystem::perms(0755));
        std::filesystem::permissions(tmp, std::filesystem::perms::owner_all);
        RestartFiles files(folder_->path(), "tmp");
        files.begin(FileRights{54321, 54321, {}});
        CPPUNIT_ASSERT(files.knowsRights());
        touch(file(), 2000);
        CPPUNIT_ASSERT(!files.changed());
        CPPUNIT_ASSERT(!files.always());
        // A group that the user is a member of may be what lets it in.
        std::filesystem::permissions(tmp, std::filesystem::perms(0750));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(tmp.c_str(), 0, 54323));
        CPPUNIT_ASSERT(!files.always());
        files.begin(FileRights{54321, 54321, {54323}});
        CPPUNIT_ASSERT(files.always());
        CPPUNIT_ASSERT(files.changed());
    }

    void testOnesThatAreSeenLaterAreAskedForWhereItBeganUnseen() {
        touch(file(), 1000);
        RestartFiles files(folder_->path(), "tmp");
        files.beginUnseen();
        CPPUNIT_ASSERT(!files.knowsRights());
        files.begin();
        CPPUNIT_ASSERT(files.changed());
        CPPUNIT_ASSERT(!files.changed());
    }

    void testAnAlwaysFileIsSeenWhileItIsThere() {
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
