#include "agent/FileTail.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sys/fsuid.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

class FileTailTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FileTailTest);
    CPPUNIT_TEST(testReadingBeginsAtThePresentEnd);
    CPPUNIT_TEST(testAFileOf3GiBIsRead);
    CPPUNIT_TEST(testAFileThatComesLaterIsReadFromItsBeginning);
    CPPUNIT_TEST(testALineInPiecesIsOneLine);
    CPPUNIT_TEST(testAfterARenameTheRestOfTheOldFileIsReadFirst);
    CPPUNIT_TEST(testARenamedFileIsReadUntilTheNewOneHasContent);
    CPPUNIT_TEST(testARemovedFileIsClosedThoughTheNewOneIsEmpty);
    CPPUNIT_TEST(testATruncatedFileIsReadFromItsBeginning);
    CPPUNIT_TEST(testAReadIsLimitedToTheGivenSize);
    CPPUNIT_TEST(testALongLineIsCut);
    CPPUNIT_TEST(testLinesOfAFileThatGrowsTooFastAreSkippedAndLogged);
    CPPUNIT_TEST(testARemovedFileIsReadAgainWhenItReturns);
    CPPUNIT_TEST(testAPathThatIsNoFileIsLoggedOnce);
    CPPUNIT_TEST(testFilesOfProcAreNotRead);
    CPPUNIT_TEST(testFinishReadsTheRest);
    CPPUNIT_TEST(testAFileIsFoundWithItsOwnersRights);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t MUCH = 1'000'000;

    std::unique_ptr<CapturedLog> log_;
    std::string folder_;
    std::string path_;
    std::unique_ptr<FileTail> tail_;
    bool more_ = false;

    static void append(const std::string &path, const std::string &text) { std::ofstream(path, std::ios::app) << text; }

    void begin() { tail_ = std::make_unique<FileTail>(path_, std::vector{RunAs()}, AppFile::NamedBy::CONFIGURATION); }

    Lines read(std::size_t most = MUCH) {
        Lines lines;
        more_ = tail_->read(most, [&](std::string_view line) { lines.emplace_back(line); });
        return lines;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        char folder[] = "/tmp/passenger-unit-FileTailTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        folder_ = folder;
        path_ = folder_ + "/log";
    }

    void tearDown() override {
        tail_.reset();
        fs::remove_all(folder_);
        log_.reset();
        LeakCheck::tearDown();
    }

    void testReadingBeginsAtThePresentEnd() {
        append(path_, "old\n");
        begin();
        append(path_, "new\n");
        CPPUNIT_ASSERT(read() == Lines{"new"});
        CPPUNIT_ASSERT(read().empty());
    }

    /** On 32-bit processors, too. */
    void testAFileOf3GiBIsRead() {
        append(path_, "");
        fs::resize_file(path_, std::uintmax_t{3} << 30);
        begin();
        append(path_, "new\n");
        CPPUNIT_ASSERT(read() == Lines{"new"});
    }

    void testAFileThatComesLaterIsReadFromItsBeginning() {
        begin();
        CPPUNIT_ASSERT(read().empty());
        append(path_, "first\n");
        CPPUNIT_ASSERT(read() == Lines{"first"});
    }

    void testALineInPiecesIsOneLine() {
        append(path_, "");
        begin();
        append(path_, "be");
        CPPUNIT_ASSERT(read().empty());
        append(path_, "gun\n");
        CPPUNIT_ASSERT(read() == Lines{"begun"});
    }

    void testAfterARenameTheRestOfTheOldFileIsReadFirst() {
        append(path_, "old\n");
        begin();
        fs::rename(path_, path_ + ".1");
        append(path_ + ".1", "late\nno end");
        append(path_, "next\n");
        CPPUNIT_ASSERT((read() == Lines{"late", "no end", "next"}));
    }

    /** As by logrotate with `create`, until the program has opened the new file. */
    void testARenamedFileIsReadUntilTheNewOneHasContent() {
        append(path_, "old\n");
        begin();
        fs::rename(path_, path_ + ".1");
        append(path_, "");
        CPPUNIT_ASSERT(read().empty());
        append(path_ + ".1", "late\n");
        CPPUNIT_ASSERT(read() == Lines{"late"});
        append(path_, "next\n");
        CPPUNIT_ASSERT(read() == Lines{"next"});
    }

    void testARemovedFileIsClosedThoughTheNewOneIsEmpty() {
        append(path_, "old\n");
        begin();
        fs::remove(path_);
        append(path_, "");
        CPPUNIT_ASSERT(read().empty());
        for (const auto &open : fs::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            CPPUNIT_ASSERT(fs::read_symlink(open.path(), gone).string() != path_ + " (deleted)");
        }
    }

    void testATruncatedFileIsReadFromItsBeginning() {
        append(path_, "a long line\n");
        begin();
        fs::resize_file(path_, 0);
        append(path_, "short\n");
        CPPUNIT_ASSERT(read() == Lines{"short"});
    }

    void testAReadIsLimitedToTheGivenSize() {
        append(path_, "");
        begin();
        append(path_, "12\n45\n78\n");
        CPPUNIT_ASSERT((read(6) == Lines{"12", "45"}));
        CPPUNIT_ASSERT(more_);
        CPPUNIT_ASSERT(read() == Lines{"78"});
        CPPUNIT_ASSERT(!more_);
    }

    void testALongLineIsCut() {
        append(path_, "");
        begin();
        append(path_, std::string(LineReader::MAX_LINE + 1, 'x') + "\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), read().size());
    }

    void testLinesOfAFileThatGrowsTooFastAreSkippedAndLogged() {
        append(path_, "");
        begin();
        fs::resize_file(path_, 20 * 1024 * 1024);
        append(path_, "\nlast\n");
        Lines lines;
        do {
            lines = read();
        } while (more_);
        CPPUNIT_ASSERT_EQUAL(std::string("last"), lines.back());
        CPPUNIT_ASSERT(log_->contains("event=monitor.skipped file=\"" + path_ + "\" bytes=199"));
    }

    void testARemovedFileIsReadAgainWhenItReturns() {
        append(path_, "old\n");
        begin();
        fs::remove(path_);
        CPPUNIT_ASSERT(read().empty());
        append(path_, "new\n");
        CPPUNIT_ASSERT(read() == Lines{"new"});
        CPPUNIT_ASSERT_EQUAL(std::string(), log_->text());
    }

    void testAPathThatIsNoFileIsLoggedOnce() {
        fs::create_directory(path_);
        begin();
        CPPUNIT_ASSERT(read().empty());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("is not a regular file"));
    }

    void testFilesOfProcAreNotRead() {
        fs::create_symlink("/proc/self/maps", path_);
        begin();
        CPPUNIT_ASSERT(read().empty());
        CPPUNIT_ASSERT(log_->contains("in /proc or /sys"));
    }

    void testFinishReadsTheRest() {
        append(path_, "old\n");
        begin();
        append(path_, std::string(100'000, 'x') + "\nlast\nwords");
        Lines lines;
        tail_->finish([&](std::string_view line) { lines.emplace_back(line); });
        CPPUNIT_ASSERT((Lines(lines.end() - 2, lines.end()) == Lines{"last", "words"}));
    }

    // The thread has another user's rights, as if root could not search the file system. Only root
    // can take such rights.
    void testAFileIsFoundWithItsOwnersRights() {
        if (::geteuid() != 0) {
            return;
        }
        RunAs owner;
        owner.user = "somebody";
        owner.uid = owner.gid = 54'321;
        append(path_, "old\n");
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path_.c_str(), owner.uid, owner.gid));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(folder_.c_str(), owner.uid, owner.gid));
        // Changes only this thread.
        ::setfsuid(54'322);
        tail_ = std::make_unique<FileTail>(path_, std::vector{owner}, AppFile::NamedBy::CONFIGURATION);
        ::setfsuid(0);
        append(path_, "new\n");
        ::setfsuid(54'322);
        const Lines first = read();
        ::setfsuid(0);
        fs::rename(path_, path_ + ".1");
        append(path_, "next\n");
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path_.c_str(), owner.uid, owner.gid));
        ::setfsuid(54'322);
        const Lines second = read();
        ::setfsuid(0);
        CPPUNIT_ASSERT(first == Lines{"new"});
        CPPUNIT_ASSERT(second == Lines{"next"});
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FileTailTest);

}  // namespace Passenger
