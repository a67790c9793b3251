package main

import (
	"bytes"
	"fmt"
	"math"

	"capnproto.org/go/capnp/v3"

	"sturdy/schema/peer"
)

// must ends the check, or the call, with what went wrong: each is run where a panic becomes its error.
func must[T any](value T, err error) T {
	try(err)
	return value
}

func try(err error) {
	if err != nil {
		panic(err)
	}
}

// recovered is deferred: it makes the error of a function of what try threw.
func recovered(err *error) {
	if thrown := recover(); thrown != nil {
		if known, ok := thrown.(error); ok {
			*err = known
		} else {
			*err = fmt.Errorf("%v", thrown)
		}
	}
}

var (
	i8s     = []int8{math.MinInt8, -1, 0, math.MaxInt8}
	i16s    = []int16{math.MinInt16, -1, 0, math.MaxInt16}
	i32s    = []int32{math.MinInt32, -1, 0, math.MaxInt32}
	i64s    = []int64{math.MinInt64, -1, 0, math.MaxInt64}
	u8s     = []uint8{0, 1, math.MaxUint8}
	u16s    = []uint16{0, 1, math.MaxUint16}
	u32s    = []uint32{0, 1, math.MaxUint32}
	u64s    = []uint64{0, 1, math.MaxUint64}
	f32s    = []float32{float32(math.Inf(-1)), float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32, float32(math.NaN())}
	f64s    = []float64{math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64, math.NaN()}
	bools   = []bool{true, false, true, true, false, false, false, true, true}
	texts   = []string{"", "a", "Ω"}
	datas   = [][]byte{{}, {0}, {255, 0, 1}}
	colours = []peer.Colour{peer.Colour_red, peer.Colour_blue, peer.Colour_green}
	inners  = []string{"first", "second"}
	lists   = [][]uint16{{}, {1}, {2, 65535}}
)

func allBytes() []byte {
	made := make([]byte, 256)
	for i := range made {
		made[i] = byte(i)
	}
	return made
}

func fill[V any](list interface{ Set(int, V) }, values []V) {
	for i, value := range values {
		list.Set(i, value)
	}
}

// makeSample makes everything but the capabilities.
func makeSample(value peer.Every) {
	n := func(length int) int32 { return int32(length) }
	value.SetYes(true)
	value.SetI8(math.MinInt8)
	value.SetI16(math.MinInt16)
	value.SetI32(math.MinInt32)
	value.SetI64(math.MinInt64)
	value.SetU8(math.MaxUint8)
	value.SetU16(math.MaxUint16)
	value.SetU32(math.MaxUint32)
	value.SetU64(math.MaxUint64)
	value.SetF32(1.5)
	value.SetF64(-0.1)
	try(value.SetText("Grüße, 世界 😀"))
	try(value.SetData(allBytes()))
	value.SetColour(peer.Colour_blue)
	inner := must(value.NewInner())
	try(inner.SetName("outer"))
	try(must(inner.NewInner()).SetName("inner"))
	try(value.SetNothings(capnp.NewVoidList(value.Segment(), 3).ToPtr()))
	fill(must(value.NewBools(n(len(bools)))), bools)
	fill(must(value.NewI8s(n(len(i8s)))), i8s)
	fill(must(value.NewI16s(n(len(i16s)))), i16s)
	fill(must(value.NewI32s(n(len(i32s)))), i32s)
	fill(must(value.NewI64s(n(len(i64s)))), i64s)
	fill(must(value.NewU8s(n(len(u8s)))), u8s)
	fill(must(value.NewU16s(n(len(u16s)))), u16s)
	fill(must(value.NewU32s(n(len(u32s)))), u32s)
	fill(must(value.NewU64s(n(len(u64s)))), u64s)
	fill(must(value.NewF32s(n(len(f32s)))), f32s)
	fill(must(value.NewF64s(n(len(f64s)))), f64s)
	fill(must(value.NewColours(n(len(colours)))), colours)
	textList := must(value.NewTexts(n(len(texts))))
	for i, each := range texts {
		try(textList.Set(i, each))
	}
	dataList := must(value.NewDatas(n(len(datas))))
	for i, each := range datas {
		try(dataList.Set(i, each))
	}
	innerList := must(value.NewInners(n(len(inners))))
	for i, name := range inners {
		try(innerList.At(i).SetName(name))
	}
	listList := must(value.NewLists(n(len(lists))))
	for i, each := range lists {
		list := must(capnp.NewUInt16List(value.Segment(), n(len(each))))
		for j, number := range each {
			list.Set(j, number)
		}
		try(listList.Set(i, list.ToPtr()))
	}
	value.Group().SetLeft(7)
	try(value.Group().SetRight("right"))
	try(value.SetWord("the active one"))
	value.SetPreset(42)
	anything := must(peer.NewInner(value.Segment()))
	try(anything.SetName("anything"))
	try(value.SetAnything(anything.ToPtr()))
}

func expect[V comparable](at string, found, wanted V) {
	if found != wanted {
		panic(fmt.Errorf("%s: found %v, wanted %v", at, found, wanted))
	}
}

// expectFloat tells zeros apart, and takes one NaN for another.
func expectFloat(at string, found, wanted float64) {
	if math.IsNaN(wanted) && math.IsNaN(found) {
		return
	}
	expect(at, math.Float64bits(found), math.Float64bits(wanted))
}

type readable[V any] interface {
	Len() int
	At(int) V
}

func sameList[V comparable](at string, found readable[V], wanted []V) {
	expect(at+": length", found.Len(), len(wanted))
	for i, value := range wanted {
		expect(fmt.Sprintf("%s[%d]", at, i), found.At(i), value)
	}
}

// checkSample compares with the sample, all but the capabilities.
func checkSample(value peer.Every) {
	expect("yes", value.Yes(), true)
	expect("i8", value.I8(), math.MinInt8)
	expect("i16", value.I16(), math.MinInt16)
	expect("i32", value.I32(), math.MinInt32)
	expect("i64", value.I64(), math.MinInt64)
	expect("u8", value.U8(), math.MaxUint8)
	expect("u16", value.U16(), math.MaxUint16)
	expect("u32", value.U32(), math.MaxUint32)
	expect("u64", value.U64(), math.MaxUint64)
	expect("f32", value.F32(), 1.5)
	expect("f64", value.F64(), -0.1)
	expect("text", must(value.Text()), "Grüße, 世界 😀")
	expect("data", string(must(value.Data())), string(allBytes()))
	expect("colour", value.Colour(), peer.Colour_blue)
	inner := must(value.Inner())
	expect("inner.name", must(inner.Name()), "outer")
	innermost := must(inner.Inner())
	expect("inner.inner.name", must(innermost.Name()), "inner")
	expect("inner.inner.inner", innermost.HasInner(), false)
	expect("nothings", must(value.Nothings()).List().Len(), 3)
	sameList("bools", must(value.Bools()), bools)
	sameList("i8s", must(value.I8s()), i8s)
	sameList("i16s", must(value.I16s()), i16s)
	sameList("i32s", must(value.I32s()), i32s)
	sameList("i64s", must(value.I64s()), i64s)
	sameList("u8s", must(value.U8s()), u8s)
	sameList("u16s", must(value.U16s()), u16s)
	sameList("u32s", must(value.U32s()), u32s)
	sameList("u64s", must(value.U64s()), u64s)
	sameList("colours", must(value.Colours()), colours)
	f32List := must(value.F32s())
	expect("f32s: length", f32List.Len(), len(f32s))
	for i, float := range f32s {
		expectFloat("f32s", float64(f32List.At(i)), float64(float))
	}
	f64List := must(value.F64s())
	expect("f64s: length", f64List.Len(), len(f64s))
	for i, float := range f64s {
		expectFloat("f64s", f64List.At(i), float)
	}
	textList := must(value.Texts())
	expect("texts: length", textList.Len(), len(texts))
	for i, text := range texts {
		expect("texts", must(textList.At(i)), text)
	}
	dataList := must(value.Datas())
	expect("datas: length", dataList.Len(), len(datas))
	for i, data := range datas {
		expect("datas", string(must(dataList.At(i))), string(data))
	}
	innerList := must(value.Inners())
	expect("inners: length", innerList.Len(), len(inners))
	for i, name := range inners {
		expect("inners", must(innerList.At(i).Name()), name)
	}
	listList := must(value.Lists())
	expect("lists: length", listList.Len(), len(lists))
	for i, numbers := range lists {
		found := capnp.UInt16List(must(listList.At(i)).List())
		expect("lists: length", found.Len(), len(numbers))
		for j, number := range numbers {
			expect("lists", found.At(j), number)
		}
	}
	expect("group.left", value.Group().Left(), 7)
	expect("group.right", must(value.Group().Right()), "right")
	expect("which", value.Which(), peer.Every_Which_word)
	expect("word", must(value.Word()), "the active one")
	expect("preset", value.Preset(), 42)
	expect("presetText", must(value.PresetText()), "preset")
	expect("anything", must(peer.Inner(must(value.Anything()).Struct()).Name()), "anything")
}

// pattern makes the bytes 0 to 250, over and over.
func pattern(size int) []byte {
	made := make([]byte, size)
	for i := range made {
		made[i] = byte(i % 251)
	}
	return made
}

func isPattern(data []byte) bool { return bytes.Equal(data, pattern(len(data))) }
