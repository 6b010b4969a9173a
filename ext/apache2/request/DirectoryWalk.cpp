#include "apache2/request/DirectoryWalk.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "apache2/config/Settings.h"
#include "apache2/request/LocationView.h"

namespace Passenger {

namespace {

/** @return whether an application may answer, by the settings of the server and its `<Location>`
 *  and `<If>` sections */
bool isEnabled(request_rec *r) {
    const LocationView view(r);
    return view.found() && Settings::of(r).enabled;
}

/** A path below the document root to which no file belongs. */
struct Missing {
    /** The last folder that exists, without a slash at its end. */
    const char *folder;
    /** The folder and the first name in it that does not exist. */
    char *filename;
    /** The rest after that name, with its slash. */
    const char *pathInfo;
};

/** @return whether there are `<DirectoryMatch>` sections, which also match names of files that do
 *  not exist. httpd sorts these sections behind all others. */
bool hasPatterns(const request_rec *r) {
    const auto *core = static_cast<const core_server_config *>(ap_get_core_module_config(r->server->module_config));
    const apr_array_header_t *sections = core->sec_dir;
    if (sections->nelts == 0) {
        return false;
    }
    ap_conf_vector_t *last = APR_ARRAY_IDX(sections, sections->nelts - 1, ap_conf_vector_t *);
    return static_cast<const core_dir_config *>(ap_get_core_module_config(last))->r != nullptr;
}

/** The part of the file name below the document root, from its slash. Null: the file is elsewhere,
 *  or httpd would write the path differently. */
const char *pathBelowRoot(request_rec *r) {
    const char *root = ap_document_root(r);
    std::size_t length = root == nullptr ? 0 : std::strlen(root);
    while (length > 0 && root[length - 1] == '/') {
        --length;
    }
    if (length == 0 || std::strncmp(r->filename, root, length) != 0 || r->filename[length] != '/') {
        return nullptr;
    }
    const bool canonical = std::strstr(r->filename, "//") == nullptr && std::strstr(r->filename, "/.") == nullptr;
    return canonical ? r->filename + length : nullptr;
}

/** @return whether the name exists (even as a link that leads nowhere), or this is unknown. The
 *  result for a file is kept, so that httpd need not look again. */
bool exists(request_rec *r) {
    const apr_status_t status = apr_stat(&r->finfo, r->filename, APR_FINFO_MIN | APR_FINFO_LINK, r->pool);
    const bool namedAsFolder = r->filename[std::strlen(r->filename) - 1] == '/';
    const bool known =
        status == APR_SUCCESS && r->finfo.filetype != APR_LNK && (!namedAsFolder || r->finfo.filetype == APR_DIR);
    if (!known) {
        r->finfo.filetype = APR_NOFILE;
    }
    return !APR_STATUS_IS_ENOENT(status);
}

enum class Found { FOLDER, NOTHING, ANYTHING_ELSE };

/** The kind of the name, with links resolved. A link that leads nowhere exists. */
Found look(const char *name) {
    struct stat file {};
    if (lstat(name, &file) != 0) {
        return errno == ENOENT ? Found::NOTHING : Found::ANYTHING_ELSE;
    }
    if (S_ISLNK(file.st_mode) && stat(name, &file) != 0) {
        return Found::ANYTHING_ELSE;
    }
    return S_ISDIR(file.st_mode) ? Found::FOLDER : Found::ANYTHING_ELSE;
}

/** Goes down from the document root to the first name that does not exist. @return false: every
 *  name exists, or a look failed */
bool findMissing(request_rec *r, const char *path, Missing &missing) {
    char *name = apr_pstrdup(r->pool, r->filename);
    char *slash = name + (path - r->filename);
    *slash = '\0';
    for (Found found = look(name); found == Found::FOLDER;) {
        *slash = '/';
        char *end = slash + 1 + std::strcspn(slash + 1, "/");
        if (end == slash + 1) {
            return false;
        }
        const bool last = *end == '\0';
        *end = '\0';
        // The whole path is known not to exist.
        found = last ? Found::NOTHING : look(name);
        if (found == Found::NOTHING) {
            missing.folder = apr_pstrmemdup(r->pool, name, static_cast<apr_size_t>(slash - name));
            missing.filename = name;
            missing.pathInfo = r->filename + (end - name);
            return true;
        }
        slash = end;
    }
    return false;
}

}  // namespace

int DirectoryWalk::run(request_rec *r) {
    const bool unknown = r->filename != nullptr && r->finfo.filetype == APR_NOFILE &&
                         (r->path_info == nullptr || *r->path_info == '\0') && r->proxyreq == PROXYREQ_NONE;
    const char *path = unknown && !hasPatterns(r) && isEnabled(r) ? pathBelowRoot(r) : nullptr;
    Missing missing{};
    if (path == nullptr || exists(r) || !findMissing(r, path, missing)) {
        return DECLINED;
    }
    r->filename = const_cast<char *>(missing.folder);
    r->finfo.filetype = APR_DIR;
    const int outcome = ap_directory_walk(r);
    r->filename = missing.filename;
    r->canonical_filename = missing.filename;
    r->path_info = const_cast<char *>(missing.pathInfo);
    r->finfo.filetype = APR_NOFILE;
    return outcome == OK ? ap_file_walk(r) : outcome;
}

}  // namespace Passenger
