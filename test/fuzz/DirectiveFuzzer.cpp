/*
 * Gives random text to any directive, as httpd does for each line of a configuration or .htaccess
 * file. The module may refuse the text. The message then names the directive, the value and the
 * allowed values, but shows no password. Otherwise the merged settings have the value. A few
 * functions here stand for httpd's.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <apr_general.h>
#include <apr_pools.h>

#include "apache2/config/Directives.h"
#include "apache2/config/Settings.h"

extern "C" {
module passenger_module;
server_rec *ap_server_conf;
apr_array_header_t *ap_server_config_defines;

char *ap_server_root_relative(apr_pool_t *pool, const char *name) {
    char *path = nullptr;
    return apr_filepath_merge(&path, "/srv", name, APR_FILEPATH_TRUENAME, pool) == APR_SUCCESS ? path : nullptr;
}
int ap_state_query(int /*what*/) {
    return AP_SQ_MS_CREATE_CONFIG;
}
/** RFC 9110, section 5.6.2. */
const char *ap_scan_http_token(const char *text) {
    return text + std::strspn(text,
                              "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}
const char *ap_check_cmd_context(cmd_parms *cmd, unsigned /*forbidden*/) {
    return cmd->path != nullptr ? "in a folder" : nullptr;
}
void ap_log_error_(const char * /*file*/, int /*line*/, int /*index*/, int /*level*/, apr_status_t /*status*/,
                   const server_rec * /*server*/, const char * /*format*/, ...) {}
}

namespace {

using namespace Passenger;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

std::size_t countCommands() {
    std::size_t count = 0;
    while (Directives::commands()[count].name != nullptr) {
        count++;
    }
    return count;
}

/** Stands for httpd, with a pool for one input. */
class Httpd {
public:
    Httpd() {
        apr_pool_create(&pool_, nullptr);
        main_ = Settings::create(pool_, nullptr);
        defaults_[0] = main_;
        server_.lookup_defaults = reinterpret_cast<ap_conf_vector_t *>(defaults_);
        ap_server_conf = &server_;
        parameters_.pool = parameters_.temp_pool = pool_;
        parameters_.server = &server_;
    }
    ~Httpd() { apr_pool_destroy(pool_); }
    Httpd(const Httpd &) = delete;
    Httpd &operator=(const Httpd &) = delete;

    void check(const command_rec &command, const std::string &value, bool inVirtualHost, bool inFolder) {
        server_.is_virtual = inVirtualHost ? 1 : 0;
        parameters_.path = inFolder ? const_cast<char *>("/srv") : nullptr;
        parameters_.cmd = &command;
        void *place = Settings::create(pool_, nullptr);
        const char *problem = apply(command, place, value);
        if (problem != nullptr) {
            checkRefusal(command.name, value, problem);
            return;
        }
        // Accepted a second time, and by a merge.
        require(apply(command, place, value) == nullptr);
        require(Settings::merge(pool_, Settings::create(pool_, nullptr), place) != nullptr);
        require(Settings::merge(pool_, place, place) != nullptr);
    }

private:
    static void checkRefusal(const std::string &name, const std::string &value, std::string_view text) {
        if (text.starts_with(name + " takes no URL with a user or password")) {
            require(value.find('@') != std::string::npos);
            require(text.find(value) == std::string_view::npos);
            return;
        }
        require(text.starts_with(name));
        require(text.find(value) != std::string_view::npos);
        require(text.find("allowed: ") != std::string_view::npos);
    }

    const char *apply(const command_rec &command, void *place, const std::string &value) {
        const char *text = apr_pstrmemdup(pool_, value.data(), value.size());
        return command.args_how == TAKE2 ? command.func.take2(&parameters_, place, text, text)
                                         : command.func.take1(&parameters_, place, text);
    }

    apr_pool_t *pool_ = nullptr;
    void *main_ = nullptr;
    void *defaults_[1] = {};
    server_rec server_{};
    cmd_parms parameters_{};
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int * /*count*/, char *** /*arguments*/) {
    apr_initialize();
    return 0;
}

/**
 * The first byte chooses the directive, the second its place. Text of a configuration has no NUL.
 */
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    static const std::size_t commands = countCommands();
    std::string value(reinterpret_cast<const char *>(data) + 2, size - 2);
    value.erase(std::remove(value.begin(), value.end(), '\0'), value.end());
    Httpd().check(Directives::commands()[data[0] % commands], value, (data[1] & 1) != 0, (data[1] & 2) != 0);
    return 0;
}
