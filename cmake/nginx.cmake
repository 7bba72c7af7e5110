# nginx's own configure runs once per build directory: it makes the headers that describe this nginx, the signature
# that the loader compares, and the table of the modules in this library. Everything else is CMake's.
set(AGW_NGINX_SRC "/usr/share/nginx/src" CACHE PATH "nginx's source or Debian's nginx-dev: what the module is built for")
set(ngx_objs "${CMAKE_BINARY_DIR}/nginx")
set(ngx_glue "${ngx_objs}/ngx_http_agent_gateway_module_modules.c")

if(NOT EXISTS "${AGW_NGINX_SRC}/auto")
    message(FATAL_ERROR "No nginx source in ${AGW_NGINX_SRC}. On Debian: scripts/install-deps build; elsewhere name it: "
        "-DAGW_NGINX_SRC=DIR (the source of the very nginx that will load the module).")
endif()

# Run again when any of these changes.
set(ngx_inputs "${CMAKE_SOURCE_DIR}/config" "${CMAKE_SOURCE_DIR}/config.make" "${AGW_NGINX_SRC}/src/core/nginx.h")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ngx_inputs})
set(ngx_key "${AGW_NGINX_SRC} ${CMAKE_C_COMPILER}")
foreach(input ${ngx_inputs})
    file(SHA256 "${input}" digest)
    string(APPEND ngx_key " ${digest}")
endforeach()
set(ngx_known "")
if(EXISTS "${ngx_glue}" AND EXISTS "${ngx_objs}/agw.key")
    file(READ "${ngx_objs}/agw.key" ngx_known)
endif()

if(NOT ngx_known STREQUAL ngx_key)
    message(STATUS "Configuring for the nginx in ${AGW_NGINX_SRC}")
    execute_process(
        COMMAND "${CMAKE_SOURCE_DIR}/cmake/configure-nginx" "${AGW_NGINX_SRC}" "${ngx_objs}" "${CMAKE_C_COMPILER}"
                "${CMAKE_SOURCE_DIR}"
        OUTPUT_FILE "${CMAKE_BINARY_DIR}/nginx-configure.log" ERROR_FILE "${CMAKE_BINARY_DIR}/nginx-configure.log"
        RESULT_VARIABLE ngx_result)
    if(NOT ngx_result EQUAL 0)
        file(STRINGS "${CMAKE_BINARY_DIR}/nginx-configure.log" ngx_said)
        list(JOIN ngx_said "\n  " ngx_said)
        message(FATAL_ERROR "nginx's configure failed:\n  ${ngx_said}")
    endif()
    file(WRITE "${ngx_objs}/agw.key" "${ngx_key}")
endif()

add_library(ngx_headers INTERFACE)
target_include_directories(ngx_headers SYSTEM INTERFACE "${ngx_objs}"
    "${AGW_NGINX_SRC}/src/core" "${AGW_NGINX_SRC}/src/event" "${AGW_NGINX_SRC}/src/event/modules"
    "${AGW_NGINX_SRC}/src/event/quic" "${AGW_NGINX_SRC}/src/os/unix" "${AGW_NGINX_SRC}/src/http"
    "${AGW_NGINX_SRC}/src/http/modules" "${AGW_NGINX_SRC}/src/http/v2" "${AGW_NGINX_SRC}/src/http/v3")
