#include "apache2/request/RestartLooks.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "support/SpawningFixture.h"

namespace Passenger {

class RestartLooksTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RestartLooksTest);
    CPPUNIT_TEST(testAnUnknownApplicationIsNews);
    CPPUNIT_TEST(testASettledLookIsNoNewsUntilTheFileChanges);
    CPPUNIT_TEST(testAlwaysRestartIsNewsEachTime);
    CPPUNIT_TEST(testAFolderThatCannotBeEnteredIsNewsEachTime);
    CPPUNIT_TEST(testAnAbsoluteRestartFolderIsLookedAt);
    CPPUNIT_TEST_SUITE_END();

    const std::unique_ptr<ApplicationFolder> folder_ = std::make_unique<ApplicationFolder>("");
    RestartLooks looks_;

    RestartLooks::Look look() const { return RestartLooks::at(folder_->path(), "tmp"); }
    bool isNews() { return looks_.isNews("blog", look()); }
    void settle() { looks_.settled("blog", look()); }
    void touch(const std::string &name, time_t time) const {
        std::filesystem::create_directories(folder_->path() + "/tmp");
        const std::string path = folder_->path() + "/tmp/" + name;
        std::ofstream(path).flush();
        const timespec times[2] = {{time, 0}, {time, 0}};
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, path.c_str(), times, 0));
    }

public:
    void testAnUnknownApplicationIsNews() {
        CPPUNIT_ASSERT(isNews());
        settle();
        CPPUNIT_ASSERT(!isNews());
        CPPUNIT_ASSERT(looks_.isNews("shop", look()));
    }

    void testASettledLookIsNoNewsUntilTheFileChanges() {
        settle();
        for (const time_t time : {100, 200, 50}) {
            touch("restart.txt", time);
            CPPUNIT_ASSERT(isNews());
            settle();
            CPPUNIT_ASSERT(!isNews());
        }
    }

    void testAlwaysRestartIsNewsEachTime() {
        touch("always_restart.txt", 100);
        settle();
        CPPUNIT_ASSERT(isNews());
    }

    void testAFolderThatCannotBeEnteredIsNewsEachTime() {
        // Also root gets an error other than ENOENT here.
        const std::string name(300, 'x');
        const RestartLooks::Look look = RestartLooks::at(folder_->path(), name);
        looks_.settled("blog", look);
        CPPUNIT_ASSERT(looks_.isNews("blog", look));
    }

    void testAnAbsoluteRestartFolderIsLookedAt() {
        touch("restart.txt", 100);
        CPPUNIT_ASSERT(RestartLooks::at("/nowhere", folder_->path() + "/tmp") == look());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartLooksTest);

}  // namespace Passenger
