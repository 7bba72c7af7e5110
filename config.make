# Sourced by nginx's auto/make. The driver is a C compiler that takes .cpp by its name; C++ has flags of its own,
# given to this module's folders only: they would break the C file that nginx generates.
for agw_folder in $(find "$ngx_addon_dir/src" -mindepth 1 -type d 2>/dev/null); do
    cat << END >> $NGX_MAKEFILE

$NGX_OBJS/addon/$(basename "$agw_folder")/%.o: CFLAGS += -std=c++23 -O2 -gdwarf-4 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -fstack-protector-strong
END
done
