package options

import (
	"reflect"
	"testing"
)

func TestSwitches(t *testing.T) {
	var s Switches
	active, unknown, err := s.Read([]string{
		"FF_KANIKO_COPY_AS_ROOT=true", "FF_KANIKO_EXPAND_HEREDOC=1", "FF_KANIKO_RUN_HONOR_GROUP=false",
		"FF_KANIKO_HASH_DIR_FRAMING=true", "FF_KANIKO_NEWS=true", "PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Switches{CopyAsRoot: true, ExpandHeredoc: true}); s != want {
		t.Errorf("%+v", s)
	}
	if want := []string{"FF_KANIKO_COPY_AS_ROOT", "FF_KANIKO_EXPAND_HEREDOC", "FF_KANIKO_HASH_DIR_FRAMING"}; !reflect.DeepEqual(active, want) {
		t.Error(active)
	}
	if want := []string{"FF_KANIKO_NEWS"}; !reflect.DeepEqual(unknown, want) {
		t.Error(unknown)
	}
	if _, _, err := s.Read([]string{"FF_KANIKO_COPY_AS_ROOT=perhaps"}); err == nil {
		t.Error("no error")
	}
}
