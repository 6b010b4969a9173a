#include "apache2/request/StartupFileCache.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

namespace Passenger {

class StartupFileCacheTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StartupFileCacheTest);
    CPPUNIT_TEST(testTheErrorOfTheLookIsReturned);
    CPPUNIT_TEST(testAResultIsKeptForASecond);
    CPPUNIT_TEST(testALookMayBeRepeatedAtOnce);
    CPPUNIT_TEST(testTheStartOfAnApplicationThatAnsweredIsKeptUntilItFails);
    CPPUNIT_TEST(testApplicationsAreKeptApart);
    CPPUNIT_TEST(testTheFirstLineOfAFileNamesItsInterpreter);
    CPPUNIT_TEST(testALinkIsFollowedOnce);
    CPPUNIT_TEST(testTheTargetOfALinkIsKeptForASecond);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "startup-file-XXXXXX").string();
        CPPUNIT_ASSERT(mkdtemp(name.data()) != nullptr);
        folder_ = name;
    }

    void tearDown() override { std::filesystem::remove_all(folder_); }

    void testTheErrorOfTheLookIsReturned() {
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_));
        std::ofstream file(folder_ + "/file");
        CPPUNIT_ASSERT_EQUAL(ENOTDIR, cache_.look(folder_ + "/file/config.ru", now_));
    }

    void testAResultIsKeptForASecond() {
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_));
        std::ofstream file(folder_ + "/config.ru");
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_ + std::chrono::milliseconds(999)));
        CPPUNIT_ASSERT_EQUAL(0, cache_.look(folder_ + "/config.ru", now_ + std::chrono::seconds(1)));
    }

    void testALookMayBeRepeatedAtOnce() {
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/config.ru", now_));
        std::ofstream file(folder_ + "/config.ru");
        CPPUNIT_ASSERT_EQUAL(0, cache_.look(folder_ + "/config.ru", now_, true));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is kept", 0, cache_.look(folder_ + "/config.ru", now_));
    }

    void testTheStartOfAnApplicationThatAnsweredIsKeptUntilItFails() {
        CPPUNIT_ASSERT(!cache_.startOf("blog"));
        cache_.served("blog", "rack", "config.ru");
        cache_.served("blog", "node", "app.js");
        CPPUNIT_ASSERT((StartupFileCache::Start{"node", "app.js"}) == cache_.startOf("blog").value());
        CPPUNIT_ASSERT(!cache_.startOf("shop"));
        cache_.notServed("blog");
        CPPUNIT_ASSERT(!cache_.startOf("blog"));
    }

    void testApplicationsAreKeptApart() {
        std::ofstream file(folder_ + "/config.ru");
        CPPUNIT_ASSERT_EQUAL(0, cache_.look(folder_ + "/config.ru", now_));
        CPPUNIT_ASSERT_EQUAL(ENOENT, cache_.look(folder_ + "/other/config.ru", now_));
    }

    void testTheFirstLineOfAFileNamesItsInterpreter() {
        const std::array<std::array<const char *, 2>, 7> lines{{{"#!/usr/bin/env node\nlisten();\n", "node"},
                                                                {"#!/opt/node-20/bin/node --no-warnings\n", "node"},
                                                                {"#! /usr/bin/env -S A=b node\r\n", "node"},
                                                                {"#!/usr/bin/env ruby", "ruby"},
                                                                {"#!/usr/bin/env\nnode\n", ""},
                                                                {"// node\n#!/usr/bin/env node\n", ""},
                                                                {"", ""}}};
        for (const auto &[content, interpreter] : lines) {
            const std::string path = folder_ + "/www";
            std::ofstream(path) << content;
            CPPUNIT_ASSERT_EQUAL(std::string(interpreter), cache_.interpreter(path, now_));
            now_ += StartupFileCache::MAX_AGE;
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), cache_.interpreter(folder_, now_));
    }

    void testALinkIsFollowedOnce() {
        namespace fs = std::filesystem;
        fs::create_directories(folder_ + "/release/public");
        fs::create_symlink("release", folder_ + "/current");
        fs::create_symlink(folder_ + "/current/public", folder_ + "/absolute");
        fs::create_symlink("current/public", folder_ + "/relative");
        CPPUNIT_ASSERT_EQUAL(folder_ + "/current/public", cache_.follow(folder_ + "/absolute", now_));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/current/public", cache_.follow(folder_ + "/relative", now_));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/release/public", cache_.follow(folder_ + "/release/public", now_));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/missing", cache_.follow(folder_ + "/missing", now_));
    }

    void testTheTargetOfALinkIsKeptForASecond() {
        std::filesystem::create_symlink("one", folder_ + "/link");
        CPPUNIT_ASSERT_EQUAL(folder_ + "/one", cache_.follow(folder_ + "/link", now_));
        std::filesystem::remove(folder_ + "/link");
        std::filesystem::create_symlink("two", folder_ + "/link");
        CPPUNIT_ASSERT_EQUAL(folder_ + "/one", cache_.follow(folder_ + "/link", now_ + std::chrono::milliseconds(999)));
        CPPUNIT_ASSERT_EQUAL(folder_ + "/two", cache_.follow(folder_ + "/link", now_ + std::chrono::seconds(1)));
    }

private:
    StartupFileCache cache_;
    StartupFileCache::Clock::time_point now_;
    std::string folder_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StartupFileCacheTest);

}  // namespace Passenger
