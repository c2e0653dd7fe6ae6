#include "CCurl.h"

CURLcode CCurl_set_url(CURL *easy, const char *url) { return curl_easy_setopt(easy, CURLOPT_URL, url); }

CURLcode CCurl_set_protocols(CURL *easy, const char *names) {
  return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, names);
}

CURLcode CCurl_set_redirect_protocols(CURL *easy, const char *names) {
  return curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, names);
}

CURLcode CCurl_set_no_signal(CURL *easy, long on) { return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, on); }

CURLcode CCurl_set_quick_exit(CURL *easy, long on) { return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, on); }

CURLcode CCurl_set_http_version(CURL *easy, long version) {
  return curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
}

CURLcode CCurl_set_http_get(CURL *easy, long on) { return curl_easy_setopt(easy, CURLOPT_HTTPGET, on); }

CURLcode CCurl_set_post(CURL *easy, long on) { return curl_easy_setopt(easy, CURLOPT_POST, on); }

CURLcode CCurl_set_post_size(CURL *easy, curl_off_t byte_count) {
  return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, byte_count);
}

CURLcode CCurl_set_headers(CURL *easy, struct curl_slist *headers) {
  return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

CURLcode CCurl_set_buffer_size(CURL *easy, long byte_count) {
  return curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, byte_count);
}

CURLcode CCurl_set_connect_timeout(CURL *easy, long milliseconds) {
  return curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds);
}

CURLcode CCurl_set_total_timeout(CURL *easy, long milliseconds) {
  return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds);
}

CURLcode CCurl_set_connection_age_max(CURL *easy, long seconds) {
  return curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, seconds);
}

CURLcode CCurl_set_ssl_version(CURL *easy, long version) {
  return curl_easy_setopt(easy, CURLOPT_SSLVERSION, version);
}

CURLcode CCurl_set_verify_peer(CURL *easy, long on) { return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, on); }

CURLcode CCurl_set_verify_host(CURL *easy, long level) {
  return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, level);
}

CURLcode CCurl_set_ca_file(CURL *easy, const char *path) { return curl_easy_setopt(easy, CURLOPT_CAINFO, path); }

CURLcode CCurl_set_pinned_public_key(CURL *easy, const char *pins) {
  return curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, pins);
}

CURLcode CCurl_set_client_certificate(CURL *easy, const char *path) {
  return curl_easy_setopt(easy, CURLOPT_SSLCERT, path);
}

CURLcode CCurl_set_client_key(CURL *easy, const char *path) { return curl_easy_setopt(easy, CURLOPT_SSLKEY, path); }

CURLcode CCurl_set_proxy(CURL *easy, const char *url) { return curl_easy_setopt(easy, CURLOPT_PROXY, url); }

CURLcode CCurl_set_suppress_connect_headers(CURL *easy, long on) {
  return curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, on);
}

CURLcode CCurl_set_error_buffer(CURL *easy, char *buffer) {
  return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, buffer);
}

CURLcode CCurl_set_callbacks(
    CURL *easy, void *context, CCurl_write body, CCurl_write header, CCurl_read read, CCurl_seek seek) {
  CURLcode result = curl_easy_setopt(easy, CURLOPT_WRITEDATA, context);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_HEADERDATA, context);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_READDATA, context);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_SEEKDATA, context);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_READFUNCTION, read);
  if (result == CURLE_OK) result = curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek);
  return result;
}

CURLMcode CCurl_multi_set_connections_max(CURLM *multi, long count) {
  return curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, count);
}

CURLcode CCurl_get_request_size(CURL *easy, long *byte_count) {
  return curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, byte_count);
}

CURLcode CCurl_get_http_version(CURL *easy, long *version) {
  return curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, version);
}

CURLcode CCurl_get_verify_result(CURL *easy, long *result) {
  return curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, result);
}

const curl_version_info_data *CCurl_version(void) { return curl_version_info(CURLVERSION_NOW); }

int CCurl_message_is_done(const CURLMsg *message) { return message->msg == CURLMSG_DONE; }

CURLcode CCurl_message_result(const CURLMsg *message) { return message->data.result; }
