#include "../apache2/StartupFileCache.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

namespace Passenger {

class StartupFileCacheTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StartupFileCacheTest);
    CPPUNIT_TEST(testTheErrorSaysWhyThereIsNoApplication);
    CPPUNIT_TEST(testAnAnswerIsKeptForASecond);
    CPPUNIT_TEST(testApplicationsAreKeptApart);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "startup-file-XXXXXX").string();
        CPPUNIT_ASSERT(mkdtemp(name.data()) != nullptr);
        folder_ = name;
    }

    void tearDown() override {
        std::filesystem::remove_all(folder_);
    }

    void testTheErrorSaysWhyThereIsNoApplication() {
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_));
        std::ofstream file(folder_ + "/file");
        CPPUNIT_ASSERT_EQUAL(ENOTDIR, cache_.look(folder_ + "/file/config.ru", now_));
    }

    void testAnAnswerIsKeptForASecond() {
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_));
        std::ofstream file(folder_ + "/config.ru");
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_ + std::chrono::milliseconds(999)));
        CPPUNIT_ASSERT_EQUAL(0, cache_.look(folder_ + "/config.ru", now_ + std::chrono::seconds(1)));
    }

    void testApplicationsAreKeptApart() {
        std::ofstream file(folder_ + "/config.ru");
        CPPUNIT_ASSERT_EQUAL(0, cache_.look(folder_ + "/config.ru", now_));
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/other/config.ru", now_));
    }

private:
    StartupFileCache cache_;
    StartupFileCache::Clock::time_point now_;
    std::string folder_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StartupFileCacheTest);

}  // namespace Passenger
