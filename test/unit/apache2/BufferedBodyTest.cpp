#include "apache2/request/BufferedBody.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "support/Eventually.h"
#include "support/FreeSpool.h"
#include "support/LingeringConnection.h"

namespace Passenger {

class BufferedBodyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BufferedBodyTest);
    CPPUNIT_TEST(testAnEmptyBodyIsWhole);
    CPPUNIT_TEST(testABodyUpToTheLimitIsInMemory);
    CPPUNIT_TEST(testALongerBodyIsInAFileWithoutAName);
    CPPUNIT_TEST(testABodyTravelsWithItsRequestUpToTheLimitOfAMessage);
    CPPUNIT_TEST(testABodyInAFileNeverTravelsWithItsRequest);
    CPPUNIT_TEST(testTheBodyHasEndedWithItsLastPiece);
    CPPUNIT_TEST(testTheBodyIsReadAsItWasWritten);
    CPPUNIT_TEST(testTheFileIsWrittenInWholePieces);
    CPPUNIT_TEST(testAMissingFolderIsNamed);
    CPPUNIT_TEST(testAFileThatCannotGrowIsAnError);
    CPPUNIT_TEST(testAFileThatAnApplicationKeepsTakesNoSpace);
    CPPUNIT_TEST(testTheThreadOfTheRequestDoesNotEmptyTheFileOfAnApplication);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "buffered-body-XXXXXX").string();
        CPPUNIT_ASSERT(mkdtemp(name.data()) != nullptr);
        folder_ = name;
        spool_.emplace(folder_);
    }

    void tearDown() override { std::filesystem::remove_all(folder_); }

    void testAnEmptyBodyIsWhole() {
        BufferedBody body(spool_->charge());
        body.finish();
        CPPUNIT_ASSERT(body.whole() == std::string_view());
        CPPUNIT_ASSERT(body.next().empty());
    }

    void testABodyUpToTheLimitIsInMemory() {
        FreeSpool spool("/nowhere");
        BufferedBody body(spool.charge());
        const std::string bytes = pattern(BufferedBody::MEMORY);
        body.append(bytes);
        body.finish();
        CPPUNIT_ASSERT(body.whole() == bytes);
        CPPUNIT_ASSERT_EQUAL(bytes, read(body));
    }

    void testALongerBodyIsInAFileWithoutAName() {
        BufferedBody body(spool_->charge());
        body.append(pattern(BufferedBody::MEMORY));
        body.append("x");
        body.finish();
        CPPUNIT_ASSERT(!body.whole());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{BufferedBody::MEMORY + 1}, body.size());
        CPPUNIT_ASSERT(std::filesystem::is_empty(folder_));
        CPPUNIT_ASSERT_EQUAL(pattern(BufferedBody::MEMORY) + "x", read(body));
    }

    void testABodyTravelsWithItsRequestUpToTheLimitOfAMessage() {
        BufferedBody body(spool_->charge());
        body.append(pattern(1'000));
        body.finish();
        const std::size_t room = MAX_INLINE_MESSAGE - sizeof(RequestHeader) - 1'000;
        CPPUNIT_ASSERT(body.fitsInline(room - 1));
        CPPUNIT_ASSERT(body.fitsInline(room));
        CPPUNIT_ASSERT(!body.fitsInline(room + 1));
    }

    void testABodyInAFileNeverTravelsWithItsRequest() {
        BufferedBody body(spool_->charge());
        body.append(pattern(BufferedBody::MEMORY + 1));
        // finish() has written all of it, so nothing is in memory.
        body.finish();
        CPPUNIT_ASSERT(!body.fitsInline(0));
    }

    void testTheBodyHasEndedWithItsLastPiece() {
        BufferedBody body(spool_->charge());
        CPPUNIT_ASSERT(body.ended());
        body.append(pattern(MAX_MESSAGE));
        body.finish();
        body.next();
        CPPUNIT_ASSERT(!body.ended());
        body.next();
        CPPUNIT_ASSERT(body.ended());
    }

    void testTheBodyIsReadAsItWasWritten() {
        for (const std::size_t piece : {1'000U, 8'000U, 65'536U, 131'072U, 200'000U, 1'000'000U}) {
            BufferedBody body(spool_->charge());
            const std::string bytes = pattern(1'000'000);
            body.expect(bytes.size());
            for (std::size_t at = 0; at < bytes.size(); at += piece) {
                body.append(std::string_view(bytes).substr(at, piece));
            }
            body.finish();
            CPPUNIT_ASSERT(bytes == read(body));
        }
    }

    void testTheFileIsWrittenInWholePieces() {
        BufferedBody body(spool_->charge());
        for (int piece = 0; piece < 50; ++piece) {
            body.append(pattern(8'000));
        }
        struct stat file {};
        CPPUNIT_ASSERT_EQUAL(0, fstat(body.file().get(), &file));
        CPPUNIT_ASSERT_EQUAL(off_t{3 * BufferedBody::MEMORY}, file.st_size);
    }

    void testAMissingFolderIsNamed() {
        FreeSpool spool("/nowhere/at/all");
        BufferedBody body(spool.charge());
        body.append(pattern(BufferedBody::MEMORY));
        try {
            body.append("x");
            CPPUNIT_FAIL("it should have failed");
        } catch (const SystemException &problem) {
            CPPUNIT_ASSERT_EQUAL(ENOENT, problem.error());
            CPPUNIT_ASSERT(std::string(problem.what()).find("/nowhere/at/all") != std::string::npos);
        }
    }

    void testAFileThatCannotGrowIsAnError() {
        SpoolFile file(spool_->charge());
        CPPUNIT_ASSERT_THROW(file.write(std::uint64_t{1} << 62, "x"), SystemException);
        std::string bytes(10, '\0');
        CPPUNIT_ASSERT_THROW(file.read(0, bytes), SystemException);
    }

    void testAFileThatAnApplicationKeepsTakesNoSpace() {
        std::optional<BufferedBody> body(std::in_place, spool_->charge());
        body->append(pattern(BufferedBody::MEMORY + 1));
        body->finish();
        const FileDescriptor kept = body->file();
        body->given(ANY_SENDER);
        body.reset();
        const struct stat status = statusOf(kept);
        CPPUNIT_ASSERT_EQUAL(off_t{0}, status.st_size);
        CPPUNIT_ASSERT_EQUAL(blkcnt_t{0}, status.st_blocks);
    }

    // Its close may wait, and so may each call that changes its size.
    void testTheThreadOfTheRequestDoesNotEmptyTheFileOfAnApplication() {
        const DescriptorSender application = newDescriptorSender();
        std::vector<LingeringConnection> connections;
        DescriptorCloser closer;
        for (std::size_t i = 0; i < DescriptorCloser::MAX_THREADS_OF_SENDER; ++i) {
            connections.emplace_back(60);
            closer.close(connections.back().intoSocket().release(), application);
        }
        DescriptorCloser::use(&closer);
        std::optional<BufferedBody> body(std::in_place, spool_->charge());
        body->append(pattern(BufferedBody::MEMORY + 1));
        body->finish();
        const FileDescriptor kept = body->file();
        body->given(application);
        body.reset();
        const off_t size = statusOf(kept).st_size;
        connections.clear();
        const bool emptied = eventually([&] { return statusOf(kept).st_size == 0; });
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT_EQUAL(off_t{BufferedBody::MEMORY + 1}, size);
        CPPUNIT_ASSERT(emptied);
    }

private:
    static struct stat statusOf(const FileDescriptor &file) {
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, fstat(file.get(), &status));
        return status;
    }

    static std::string pattern(std::size_t size) {
        std::string bytes(size, '\0');
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<char>(i * 7 + i / 251);
        }
        return bytes;
    }

    static std::string read(BufferedBody &body) {
        std::string all;
        for (std::string_view piece = body.next(); !piece.empty(); piece = body.next()) {
            all += piece;
        }
        return all;
    }

    std::string folder_;
    std::optional<FreeSpool> spool_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(BufferedBodyTest);

}  // namespace Passenger
